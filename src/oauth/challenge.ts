import { InsufficientScope, Unavailable, type Refusal } from './errors.ts'

export interface ChallengeContext {
  readonly realm: string
  /** Everything that the route needs. */
  readonly scopes: readonly string[]
  /** RFC 9728 §5.1. */
  readonly resourceMetadata: string | undefined
}

/** The `WWW-Authenticate` value of a refusal (RFC 6750 §3), every parameter at most once; none when the issuer is to blame. */
export function challengeOf (refusal: Refusal, { realm, scopes, resourceMetadata }: ChallengeContext): string | undefined {
  if (refusal instanceof Unavailable) return undefined
  const needed = refusal instanceof InsufficientScope ? refusal.scopes : refusal.statusCode === 401 ? scopes : []
  const parameters: ReadonlyArray<readonly [string, string | undefined]> = [
    ['realm', realm],
    ['error', refusal.error],
    ['error_description', refusal.error === undefined ? undefined : refusal.message],
    ['scope', needed.length > 0 ? needed.join(' ') : undefined],
    ['resource_metadata', resourceMetadata]
  ]
  return `Bearer ${parameters.flatMap(([name, value]) => value === undefined ? [] : [`${name}="${quotable(value)}"`]).join(', ')}`
}

/** RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E. Whatever else is in a text never reaches the header. */
function quotable (text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '')
}
