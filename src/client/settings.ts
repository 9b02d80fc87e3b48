import { SettingsError } from './errors.ts'
import type { SettingsFault } from './errors.ts'

interface CommonOptions {
  readonly clientId: string
  /** A function is asked before every token request, so that a rotated secret is taken up. */
  readonly clientSecret: string | (() => string | Promise<string>)
  /** `post` (default): in the form. `basic`: in the header, form-encoded first (RFC 6749 section 2.3.1). */
  readonly clientAuthentication?: 'post' | 'basic'
  /** What is asked for unless a call says otherwise. None: the issuer's default scopes. */
  readonly scope?: readonly string[]
  /** The token is sent to the origin of this address only. */
  readonly apiUrl: string
  /** For one attempt at the API, with its body; 10,000 by default. */
  readonly apiDeadlineMs?: number
  /** Milliseconds of a clock that never goes back, and a number in [0, 1): replaced in tests. */
  readonly now?: () => number
  readonly random?: () => number
}

/** Either the issuer, whose discovery document names the token endpoint, or the token endpoint itself. */
export type ClientOptions = CommonOptions &
  ({ readonly issuer: string, readonly tokenEndpoint?: never } | { readonly tokenEndpoint: string, readonly issuer?: never })

/** The options, checked, with every default filled in. */
export interface Settings {
  readonly tokenEndpoint: URL | { readonly ofIssuer: string }
  readonly clientId: string
  readonly clientSecret: () => string | Promise<string>
  readonly clientAuthentication: 'post' | 'basic'
  readonly scope: readonly string[]
  readonly apiUrl: URL
  readonly apiDeadlineMs: number
  readonly now: () => number
  readonly random: () => number
}

/** Throws {@link SettingsError} with all faults. Not checked: whether anything answers at the addresses. */
export function readSettings (options: ClientOptions): Settings {
  const { issuer, tokenEndpoint, clientId, clientSecret, clientAuthentication = 'post', scope = [], apiUrl, apiDeadlineMs = 10_000 } = options
  const faults = [
    (issuer === undefined) === (tokenEndpoint === undefined) && { option: 'issuer', expected: 'either the issuer or the tokenEndpoint, not both' },
    issuer !== undefined && addressFault('issuer', issuer),
    tokenEndpoint !== undefined && addressFault('tokenEndpoint', tokenEndpoint),
    clientId === '' && { option: 'clientId', expected: 'the id of a client at the issuer' },
    clientSecret === '' && { option: 'clientSecret', expected: 'the secret of the client, or a function that gives it' },
    !['post', 'basic'].includes(clientAuthentication) && { option: 'clientAuthentication', expected: '"post" or "basic"' },
    scopeFault(scope),
    addressFault('apiUrl', apiUrl),
    !(apiDeadlineMs > 0 && apiDeadlineMs < 2 ** 31) && { option: 'apiDeadlineMs', expected: 'a positive number of milliseconds' }
  ].filter((fault) => fault !== false)
  if (faults.length > 0) throw new SettingsError(faults)
  return {
    tokenEndpoint: options.issuer === undefined ? new URL(options.tokenEndpoint) : { ofIssuer: options.issuer },
    clientId,
    clientSecret: typeof clientSecret === 'string' ? () => clientSecret : clientSecret,
    clientAuthentication,
    scope,
    apiUrl: new URL(apiUrl),
    apiDeadlineMs,
    now: options.now ?? (() => performance.now()),
    random: options.random ?? Math.random
  }
}

/** RFC 6749 section 3.3: a scope is a word of printable ASCII without quote and backslash. */
export function scopeFault (scope: readonly string[]): SettingsFault | false {
  return !scope.every((word) => /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(word)) &&
    { option: 'scope', expected: 'a list of scope names, each one word without blanks, quotes and backslashes' }
}

/**
 * Where a secret or a token may be sent (RFC 6750 section 5.3): https, or plain http that does not leave this machine.
 * The value is not quoted, as it may be a secret that was put into the wrong place.
 */
export function addressFault (option: string, address: string): SettingsFault | false {
  if (!URL.canParse(address)) return { option, expected: 'an address with its scheme, such as https://host/path' }
  const url = new URL(address)
  if (url.username !== '' || url.password !== '') return { option, expected: 'an address without a user name or a password in it' }
  if (url.hash !== '') return { option, expected: 'an address without a fragment (#)' }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return false
  return { option, expected: 'an address that starts with https://; plain http:// only to localhost, as everybody on the way can read it' }
}

/** Not taken for loopback: names below `.localhost`, which a resolver may send elsewhere. */
function isLoopback (hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)
}
