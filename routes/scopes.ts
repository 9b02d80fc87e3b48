import type { ScopeCatalogue } from '../src/oauth/access-policy.ts'

/** Every scope that a route may require, with what it authorizes. A route with a scope outside of this list stops the start. */
export const SCOPES = {
  test_api_access: 'Read the scoped resource and post messages'
} as const satisfies ScopeCatalogue
