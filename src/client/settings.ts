import { isInsecure } from '../http/addresses.ts'
import { wallOf } from './api-address.ts'
import { createClock } from './clock.ts'
import { createCredentials } from './credentials.ts'
import type { Credentials } from './credentials.ts'
import { createDpop } from './dpop.ts'
import type { Dpop } from './dpop.ts'
import { SettingsError } from './errors.ts'
import type { ApiOptions, ClientOptions, ClientWarning, TokenParameters } from './options.ts'
import { problemsOf } from './problems.ts'
import { withoutLineBreak } from './text.ts'

/** What a token is requested with; the same words in another order are the same wish. */
export interface TokenWish {
  readonly scope: readonly string[]
  readonly audience: string | undefined
  readonly resource: readonly string[]
}

/** An API that the token may be sent to. */
export interface Api {
  readonly url: URL
  readonly origin: string
  /** The path that every address of the API begins with. */
  readonly wall: string
  readonly wish: TokenWish
}

/** The options, checked, with every default filled in. */
export interface Settings {
  readonly tokenEndpoint: URL | { readonly ofIssuer: string }
  readonly clientId: string
  readonly credentials: Credentials
  readonly dpop: Dpop | undefined
  /** Of the client itself, for a token without an API. */
  readonly wish: TokenWish
  readonly apis: readonly [Api, ...Api[]]
  readonly stepUp: boolean
  readonly maxRetryAfterMs: number
  readonly tokenDeadlineMs: number
  readonly apiDeadlineMs: number
  readonly allowInsecureHttp: boolean
  readonly useEnvProxy: boolean
  readonly onWarning: (warning: ClientWarning) => void
  readonly now: () => number
  readonly random: () => number
}

/**
 * Throws {@link SettingsError} with all problems, whatever the types of the values. Not checked: whether anything responds at the
 * addresses.
 */
export function readSettings (options: ClientOptions): Settings {
  const problems = problemsOf(options)
  if (problems.length > 0) throw new SettingsError(problems)
  const { stepUp = false, allowInsecureHttp = false, useEnvProxy = false } = options
  const { maxRetryAfterMs = 5000, tokenDeadlineMs = 10_000, apiDeadlineMs = 10_000 } = options
  const ca = options.ca === undefined ? undefined : [options.ca].flat()
  const wish = wishOf(options, NOTHING)
  const [first = '', ...others] = [options.apiUrl].flat()
  const apiOf = (api: string | ApiOptions): Api => {
    const url = new URL(typeof api === 'string' ? api : api.url)
    return { url, origin: url.origin, wall: wallOf(url), wish: typeof api === 'string' ? wish : wishOf(api, wish) }
  }
  const apis = [apiOf(first), ...others.map(apiOf)] as const
  const settings = {
    tokenEndpoint: options.issuer === undefined ? new URL(options.tokenEndpoint) : { ofIssuer: options.issuer },
    clientId: withoutLineBreak(options.clientId),
    credentials: createCredentials(options, ca),
    dpop: createDpop(options.dpop, apis),
    wish, apis,
    stepUp, maxRetryAfterMs, tokenDeadlineMs, apiDeadlineMs, allowInsecureHttp, useEnvProxy,
    onWarning: options.onWarning ?? warnOnProcess,
    now: options.now ?? createClock(),
    random: options.random ?? Math.random
  }
  warnOfInsecure(settings)
  return settings
}

const NOTHING: TokenWish = { scope: [], audience: undefined, resource: [] }

/** What is not given is as in `otherwise`. */
export function wishOf ({ scope, audience, resource }: TokenParameters, otherwise: TokenWish): TokenWish {
  return {
    scope: scope === undefined ? otherwise.scope : [...new Set(scope)].sort(),
    audience: audience ?? otherwise.audience,
    resource: resource === undefined ? otherwise.resource : [...new Set([resource].flat())].sort()
  }
}

function warnOfInsecure ({ tokenEndpoint, apis, onWarning }: Pick<Settings, 'tokenEndpoint' | 'apis' | 'onWarning'>): void {
  const issuer = tokenEndpoint instanceof URL ? tokenEndpoint : new URL(tokenEndpoint.ofIssuer)
  const origins = [issuer, ...apis.map(({ url }) => url)].filter(isInsecure).map(({ origin }) => origin)
  if (origins.length === 0) return
  const message = `plain http to ${[...new Set(origins)].join(' and ')}: anyone on the path can read the secret and the token; use https`
  onWarning({ code: 'insecure_http', message })
}

function warnOnProcess ({ code, message }: ClientWarning): void {
  if (code === 'insecure_http') process.emitWarning(message, { code: 'SCOPEGATE_INSECURE_HTTP' })
}
