import { InvalidRequest, MissingCredentials } from './errors.ts'

/** RFC 6750 §2.1: `b64token`. */
const CREDENTIALS = /^bearer ([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * The token in the credentials of a request. Throws MissingCredentials, or InvalidRequest for what is not `Bearer`, one space and one token.
 */
export function bearerToken (credentials: string): string {
  const token = CREDENTIALS.exec(credentials)?.[1]
  if (token !== undefined) return token
  throw /^bearer(?![!#$%&'*+.^_`|~0-9a-z-])/i.test(credentials) ? new InvalidRequest('credentials_malformed') : new MissingCredentials('scheme_unsupported')
}

const NAME = 'authorization'

/**
 * The credentials of a request, from its headers as they came (names and values in turn). Only the Authorization header is looked at.
 * Throws MissingCredentials, or InvalidRequest for more than one such header, where a library would silently take the first.
 */
export function credentialsOf (rawHeaders: readonly string[]): string {
  let credentials: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length !== NAME.length || name.toLowerCase() !== NAME) continue
    if (credentials !== undefined) throw new InvalidRequest('credentials_repeated')
    credentials = rawHeaders[at + 1]
  }
  if (credentials === undefined || credentials === '') throw new MissingCredentials()
  return credentials
}
