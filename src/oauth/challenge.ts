import { ALGORITHMS } from './algorithms.ts'
import { isDpop } from './credentials.ts'
import { InsufficientScope, Unavailable, type Refusal } from './errors.ts'

export type ChallengeScheme = 'Bearer' | 'DPoP'

export interface ChallengeContext {
  readonly realm: string
  /** Everything that the route needs. */
  readonly scopes: readonly string[]
  /** RFC 9728 §5.1. */
  readonly resourceMetadata: string | undefined
  /** The schemes that the route accepts, that of the request first: its challenge contains the error. Bearer alone by default. */
  readonly schemes?: readonly [ChallengeScheme, ...ChallengeScheme[]]
}

/** Which bound tokens an API accepts. */
export interface AcceptedBindings {
  readonly dpop: 'off' | 'allowed' | 'required'
  readonly clientCertificate: 'off' | 'tls' | 'header'
}

/** The schemes that a route accepts, the one that the request has used first. `bound`: the route accepts only bound tokens. */
export function schemesOf (
  bindings: AcceptedBindings | undefined, bound: boolean, authorization = ''
): readonly [ChallengeScheme, ...ChallengeScheme[]] {
  if (bindings === undefined || bindings.dpop === 'off') return ['Bearer']
  if (bindings.dpop === 'required' || (bound && bindings.clientCertificate === 'off')) return ['DPoP']
  return isDpop(authorization) ? ['DPoP', 'Bearer'] : ['Bearer', 'DPoP']
}

/**
 * The `WWW-Authenticate` values of a refusal, one for each scheme (RFC 6750 §3, RFC 9449 §7.1), every parameter at most once; none when
 * the issuer is to blame.
 */
export function challengesOf (refusal: Refusal, { realm, scopes, resourceMetadata, schemes = ['Bearer'] }: ChallengeContext): string[] {
  if (refusal instanceof Unavailable) return []
  const needed = refusal instanceof InsufficientScope ? refusal.scopes : refusal.statusCode === 401 ? scopes : []
  return schemes.map((scheme, at) => {
    const error = at === 0 ? refusal.error : undefined
    const parameters: ReadonlyArray<readonly [string, string | undefined]> = [
      ['realm', realm],
      ['error', error],
      ['error_description', error === undefined ? undefined : refusal.message],
      ['scope', needed.length > 0 ? needed.join(' ') : undefined],
      ['algs', scheme === 'DPoP' ? ALGORITHMS.join(' ') : undefined],
      ['resource_metadata', resourceMetadata]
    ]
    return `${scheme} ${parameters.flatMap(([name, value]) => value === undefined ? [] : [`${name}="${quotable(value)}"`]).join(', ')}`
  })
}

/** RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E. Whatever else is in a text never reaches the header. */
function quotable (text: string): string {
  return text.replace(/[^\x20\x21\x23-\x5B\x5D-\x7E]/g, '')
}
