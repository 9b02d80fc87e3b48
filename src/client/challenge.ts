/** What an API says in a `Bearer` or `DPoP` challenge (RFC 6750 section 3, RFC 9449 section 7.1). The texts are its own: hostile output. */
export interface BearerChallenge {
  readonly error?: string | undefined
  readonly errorDescription?: string | undefined
  readonly scope?: string | undefined
}

/** A word, and `= value` if it is a parameter; a word without is a scheme (RFC 9110 section 11.6.1). */
const PART = /([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+)))?/g

/** The first `Bearer` challenge of a `WWW-Authenticate` value, also among those of other schemes. A repeated parameter: the first. */
export function readBearerChallenge (header: string | null): BearerChallenge | undefined {
  return readChallenge(header, 'bearer')
}

function readChallenge (header: string | null, wanted: 'bearer' | 'dpop'): BearerChallenge | undefined {
  const found = new Map<string, string>()
  let seen = false
  for (const [, word = '', quoted, plain] of (header ?? '').matchAll(PART)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (value === undefined) {
      if (seen) break
      seen = word.toLowerCase() === wanted
    } else if (seen && !found.has(word.toLowerCase())) found.set(word.toLowerCase(), value)
  }
  if (!seen) return undefined
  return { error: found.get('error'), errorDescription: found.get('error_description'), scope: found.get('scope') }
}

/**
 * The challenge that says why a request was refused. For a token that is bound to a key (`bound`) it is that of DPoP, or of Bearer where
 * that alone names an error.
 */
export function readRefusal (header: string | null, bound: boolean): BearerChallenge | undefined {
  const challenges = [bound ? readChallenge(header, 'dpop') : undefined, readChallenge(header, 'bearer')]
  return challenges.find((challenge) => challenge?.error !== undefined)
}

/** The schemes that a `WWW-Authenticate` value offers, of the two that present access tokens. */
export function schemesOffered (header: string | null): ReadonlyArray<'Bearer' | 'DPoP'> {
  return (['Bearer', 'DPoP'] as const).filter((scheme) => readChallenge(header, scheme === 'DPoP' ? 'dpop' : 'bearer') !== undefined)
}

/** What makes another attempt useful. */
export type Remedy = 'another token' | 'another proof'

/**
 * Another token: the API says that this one is expired, revoked or otherwise not valid (RFC 6750 section 3.1). Another proof: it requires
 * its nonce in it (RFC 9449 section 9).
 */
export function remedyFor (status: number, header: string | null, bound: boolean): Remedy | undefined {
  const error = status === 401 ? readRefusal(header, bound)?.error : undefined
  if (error === 'invalid_token') return 'another token'
  return bound && error === 'use_dpop_nonce' ? 'another proof' : undefined
}
