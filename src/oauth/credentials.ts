import { InvalidRequest, MissingCredentials } from './errors.ts'
import { mistakenToken } from './reasons/mistaken-token.ts'

/** RFC 6750 §2.1, RFC 9449 §7.1. */
export type Scheme = 'bearer' | 'dpop'

/** How a request authenticates itself. */
export interface Credentials {
  readonly scheme: Scheme
  readonly token: string
}

/** RFC 6750 §2.1: `"Bearer" 1*SP b64token`. */
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i
/** RFC 9449 §7.1: `"DPoP" 1*SP token68`. */
const DPOP = /^dpop +([A-Za-z0-9\-._~+/]+=*)$/i

/**
 * Reads the value of an Authorization header. Throws MissingCredentials for another scheme, or InvalidRequest for what is not `Bearer`,
 * one or more spaces and one token. Tabs are refused (RFC 6750 §2.1). `dpop`: so is the scheme DPoP.
 */
export function readCredentials (authorization: string, dpop = false): Credentials {
  const token = BEARER.exec(authorization)?.[1]
  if (token !== undefined) return { scheme: 'bearer', token }
  if (/^bearer(?![!#$%&'*+.^_`|~0-9a-z-])/i.test(authorization)) {
    throw malformed(authorization, 'Bearer')
  }
  if (dpop && isDpop(authorization)) {
    const bound = DPOP.exec(authorization)?.[1]
    if (bound !== undefined) return { scheme: 'dpop', token: bound }
    throw malformed(authorization, 'DPoP')
  }
  throw new MissingCredentials('scheme_unsupported', evidence('scheme', SCHEME.exec(authorization)?.[1]))
}

/** Whether the scheme is DPoP, also where what follows it cannot be read. */
export function isDpop (authorization: string): boolean {
  return /^dpop(?![!#$%&'*+.^_`|~0-9a-z-])/i.test(authorization)
}

/** Only well-known names are repeated in a log line: whatever else comes first can be a secret. */
const SCHEME =
  /^(basic|digest|dpop|gnap|hoba|mutual|negotiate|ntlm|oauth|privatetoken|token|jwt|apikey|api-key|aws4-hmac-sha256|hawk|vapid)(?=[ \t])/i

function malformed (authorization: string, scheme: 'Bearer' | 'DPoP'): InvalidRequest {
  const sent = authorization.slice(scheme.length).replace(/^ +/, '')
  return new InvalidRequest('credentials_malformed', evidence('mistake', mistakenToken(sent, scheme)))
}

function evidence (name: 'mistake' | 'scheme', value: string | undefined): { readonly mistake?: string, readonly scheme?: string } {
  return value === undefined ? {} : { [name]: value }
}

const NAME = 'authorization'
/** The two spellings of nearly every caller, which need no copy in lower case. */
const isName = (name: string): boolean =>
  name.length === NAME.length && (name === NAME || name === 'Authorization' || name.toLowerCase() === NAME)

/** The values of every header of this name (in lower case), from the headers as received. */
export function valuesOf (rawHeaders: readonly string[], name: string): string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
}

/**
 * The value of the Authorization header of a request, from its headers as received (names and values in turn). Throws
 * MissingCredentials, or InvalidRequest for more than one such header, where a library would silently take the first.
 */
export function authorizationOf (rawHeaders: readonly string[]): string {
  let authorization: string | undefined
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!isName(rawHeaders[at] as string)) continue
    if (authorization !== undefined) throw new InvalidRequest('credentials_repeated')
    authorization = rawHeaders[at + 1]
  }
  if (authorization === undefined || authorization === '') throw new MissingCredentials()
  return authorization
}
