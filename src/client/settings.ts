import { addressProblem, isInsecure } from '../http/addresses.ts'
import { SettingsError } from './errors.ts'
import type { SettingsProblem } from './errors.ts'

/** RFC 6749 section 2.3.1, by the names of RFC 7591 section 2. */
export type ClientAuthentication = 'client_secret_basic' | 'client_secret_post'

/** What works, and deserves a look. No value of a secret or token is in it. */
export type ClientWarning =
  | { readonly code: 'insecure_http', readonly message: string }
  /** The issuer's response does not list these of the requested scopes (RFC 6749 section 5.1). The token is used all the same. */
  | { readonly code: 'scope_not_listed', readonly message: string, readonly scopes: readonly string[] }

interface CommonOptions {
  readonly clientId: string
  /** A function is called before every token request, so that a rotated secret takes effect. One line break at the end is removed. */
  readonly clientSecret: string | (() => string | Promise<string>)
  /**
   * `client_secret_basic` (default): in the header, form-encoded first. `client_secret_post`: in the form.
   * `basic` and `post` are other names for the two.
   */
  readonly clientAuthentication?: ClientAuthentication | 'basic' | 'post'
  /** What is requested unless a call says otherwise. None: the issuer's default scopes. */
  readonly scope?: readonly string[]
  /** The token is sent to addresses below this one only. */
  readonly apiUrl: string
  /** For one request to the issuer, with the body of its response; 10,000 by default, 1,000 to 30,000. */
  readonly tokenDeadlineMs?: number
  /** For one attempt at the API, with the body of its response; 10,000 by default. */
  readonly apiDeadlineMs?: number
  /** Accepts plain http to other hosts, with a warning: anyone on the path can read the secret and the token. */
  readonly allowInsecureHttp?: boolean
  /** Issuer and API are reached through HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Also without this where Node does so (NODE_USE_ENV_PROXY). */
  readonly useEnvProxy?: boolean
  /** Without it `insecure_http` is a warning of the process, and the others are not reported. */
  readonly onWarning?: (warning: ClientWarning) => void
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
  readonly clientAuthentication: ClientAuthentication
  readonly scope: readonly string[]
  readonly apiUrl: URL
  readonly tokenDeadlineMs: number
  readonly apiDeadlineMs: number
  readonly allowInsecureHttp: boolean
  readonly useEnvProxy: boolean
  readonly onWarning: (warning: ClientWarning) => void
  readonly now: () => number
  readonly random: () => number
}

const AUTHENTICATION: Readonly<Record<string, ClientAuthentication>> = {
  client_secret_basic: 'client_secret_basic',
  client_secret_post: 'client_secret_post',
  basic: 'client_secret_basic',
  post: 'client_secret_post'
}

/**
 * Throws {@link SettingsError} with all problems, whatever the types of the values. Not checked: whether anything responds at the
 * addresses.
 */
export function readSettings (options: ClientOptions): Settings {
  const problems = problemsOf(options)
  if (problems.length > 0) throw new SettingsError(problems)
  const { clientSecret, scope = [], allowInsecureHttp = false, tokenDeadlineMs = 10_000, apiDeadlineMs = 10_000 } = options
  const settings = {
    tokenEndpoint: options.issuer === undefined ? new URL(options.tokenEndpoint) : { ofIssuer: options.issuer },
    clientId: withoutLineBreak(options.clientId),
    clientSecret: typeof clientSecret === 'string' ? () => clientSecret : clientSecret,
    clientAuthentication: AUTHENTICATION[options.clientAuthentication ?? 'basic'] ?? 'client_secret_basic',
    scope, apiUrl: new URL(options.apiUrl), tokenDeadlineMs, apiDeadlineMs, allowInsecureHttp,
    useEnvProxy: options.useEnvProxy ?? false,
    onWarning: options.onWarning ?? warnOnProcess,
    now: options.now ?? (() => performance.now()),
    random: options.random ?? Math.random
  }
  warnOfInsecure(settings)
  return settings
}

type Given = Readonly<Record<keyof CommonOptions | 'issuer' | 'tokenEndpoint', unknown>>

function problemsOf (options: unknown): SettingsProblem[] {
  if (typeof options !== 'object' || options === null) return [{ option: 'options', expected: 'an object with the options of the client' }]
  const given = options as Given
  const { issuer, tokenEndpoint, clientId, clientSecret, clientAuthentication = 'basic', scope = [], apiUrl } = given
  const { tokenDeadlineMs = 1000, apiDeadlineMs = 1, allowInsecureHttp = false, useEnvProxy = false, onWarning, now, random } = given
  const allow = allowInsecureHttp === true
  const optionalFunctions = Object.entries({ onWarning, now, random }).filter(([, value]) => value !== undefined && typeof value !== 'function')
  return [
    (issuer === undefined) === (tokenEndpoint === undefined) && { option: 'issuer', expected: 'either the issuer or the tokenEndpoint, not both' },
    issuer !== undefined && addressProblemOf('issuer', issuer, allow),
    tokenEndpoint !== undefined && addressProblemOf('tokenEndpoint', tokenEndpoint, allow),
    !isOneLine(clientId) && { option: 'clientId', expected: 'the id of a client at the issuer, without line breaks' },
    typeof clientSecret !== 'function' && !isOneLine(clientSecret) &&
    { option: 'clientSecret', expected: 'the secret of the client without line breaks, or a function that returns it' },
    !(typeof clientAuthentication === 'string' && Object.hasOwn(AUTHENTICATION, clientAuthentication)) &&
    { option: 'clientAuthentication', expected: 'client_secret_basic or client_secret_post' },
    scopeProblem(scope),
    addressProblemOf('apiUrl', apiUrl, allow),
    !isWithin(tokenDeadlineMs, 1000, 30_000) && { option: 'tokenDeadlineMs', expected: 'a number of milliseconds from 1000 to 30000' },
    !isWithin(apiDeadlineMs, Number.MIN_VALUE, 2 ** 31 - 1) && { option: 'apiDeadlineMs', expected: 'a positive number of milliseconds' },
    typeof allowInsecureHttp !== 'boolean' && { option: 'allowInsecureHttp', expected: 'true or false' },
    typeof useEnvProxy !== 'boolean' && { option: 'useEnvProxy', expected: 'true or false' },
    ...optionalFunctions.map(([option]) => ({ option, expected: 'a function' }))
  ].filter((problem) => problem !== false)
}

function isWithin (value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && value >= least && value <= most
}

/** Files and Kubernetes secrets often end with one line break, which belongs to neither an id nor a secret. */
export function withoutLineBreak (value: string): string {
  return value.replace(/\r?\n$/, '')
}

/** Text of one line, apart from a line break at its end. */
export function isOneLine (value: unknown): value is string {
  return typeof value === 'string' && /^[^\r\n]+$/.test(withoutLineBreak(value))
}

/** RFC 6749 section 3.3: a scope is a word of printable ASCII without quote and backslash. */
export function scopeProblem (scope: unknown): SettingsProblem | false {
  return !(Array.isArray(scope) && Array.from(scope).every((word) => typeof word === 'string' && /^[\x21\x23-\x5B\x5D-\x7E]+$/.test(word))) &&
    { option: 'scope', expected: 'a list of scope names, each one word without spaces, quotes and backslashes' }
}

/** Where a secret or a token may be sent (RFC 6750 section 5.3). */
export function addressProblemOf (option: string, address: unknown, allowInsecureHttp: boolean): SettingsProblem | false {
  const rules = { allowInsecureHttp, insecureSwitch: 'allowInsecureHttp (ALLOW_INSECURE_HTTP=on)', allowQuery: option !== 'issuer' }
  const expected = typeof address === 'string'
    ? addressProblem(address.replace(/^https?:/i, (scheme) => scheme.toLowerCase()), rules)
    : 'an address such as https://host/path'
  return expected !== undefined && { option, expected }
}

function warnOfInsecure ({ tokenEndpoint, apiUrl, onWarning }: Pick<Settings, 'tokenEndpoint' | 'apiUrl' | 'onWarning'>): void {
  const issuer = tokenEndpoint instanceof URL ? tokenEndpoint : new URL(tokenEndpoint.ofIssuer)
  const origins = [issuer, apiUrl].filter(isInsecure).map(({ origin }) => origin)
  if (origins.length === 0) return
  const message = `plain http to ${[...new Set(origins)].join(' and ')}: anyone on the path can read the secret and the token; use https`
  onWarning({ code: 'insecure_http', message })
}

function warnOnProcess ({ code, message }: ClientWarning): void {
  if (code === 'insecure_http') process.emitWarning(message, { code: 'SCOPEGATE_INSECURE_HTTP' })
}
