/** What an API says in its `Bearer` challenge (RFC 6750 section 3). The texts are the API's: hostile output. */
export interface BearerChallenge {
  readonly error?: string | undefined
  readonly errorDescription?: string | undefined
  readonly scope?: string | undefined
}

/** A word, and `= value` if it is a parameter; a word without is a scheme (RFC 9110 section 11.6.1). */
const PART = /([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([\w!#$%&'*+.^`|~-]+)))?/g

/** The first `Bearer` challenge of a `WWW-Authenticate` value, also among those of other schemes. A repeated parameter: the first. */
export function readBearerChallenge (header: string | null): BearerChallenge | undefined {
  const found = new Map<string, string>()
  let scheme = ''
  let seen = false
  for (const [, word = '', quoted, plain] of (header ?? '').matchAll(PART)) {
    const value = quoted?.replace(/\\(.)/g, '$1') ?? plain
    if (value === undefined) {
      if (seen) break
      scheme = word.toLowerCase()
      seen = scheme === 'bearer'
    } else if (seen && !found.has(word.toLowerCase())) found.set(word.toLowerCase(), value)
  }
  if (!seen) return undefined
  return { error: found.get('error'), errorDescription: found.get('error_description'), scope: found.get('scope') }
}

/** Whether a new token may help: the API says that this one is expired, revoked or otherwise not valid (RFC 6750 section 3.1). */
export function saysInvalidToken (status: number, header: string | null): boolean {
  return status === 401 && readBearerChallenge(header)?.error === 'invalid_token'
}
