import type { ScopeCatalogue } from '../src/oauth/access-policy.ts'

/** Every scope that a route may ask for, with what it opens. A scope outside of this list does not start. */
export const SCOPES = {
  test_api_access: 'Read the scoped resource and post messages'
} as const satisfies ScopeCatalogue
