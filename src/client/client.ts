import type { Dispatcher } from 'undici'
import { createBoundedFetch } from '../http/bounded-fetch.ts'
import { createConnections } from '../http/connections.ts'
import { untilAborted } from '../http/exchange.ts'
import { targetOf } from './api-address.ts'
import { isRepeatable, send } from './api-request.ts'
import type { ApiRequest } from './api-request.ts'
import { callApi } from './call.ts'
import { SettingsError } from './errors.ts'
import { createInterceptor } from './interceptor.ts'
import type { ClientOptions, TokenParameters } from './options.ts'
import { parameterProblems } from './problems.ts'
import { readSettings, wishOf } from './settings.ts'
import type { TokenWish } from './settings.ts'
import { createStepUps } from './step-up.ts'
import { createTokenRequest, MAX_RESPONSE_BYTES } from './token-request.ts'
import { createTokenSources, MOST_TOKENS } from './token-sources.ts'
import { wrapFetch } from './wrapped-fetch.ts'
import type { Fetch } from './wrapped-fetch.ts'

export type { ApiRequest, ClientOptions, Fetch, TokenParameters }
export type { ApiOptions, AssertionAlgorithm, ClientAuthentication, ClientWarning, FromFile } from './options.ts'
export * from './errors.ts'
export { readBearerChallenge, readRefusal } from './challenge.ts'
export type { BearerChallenge } from './challenge.ts'

/** Which token, and how long to wait for it. */
export interface TokenRequestOptions extends TokenParameters {
  readonly signal?: AbortSignal
}

/** Calls an API as a machine: the token is fetched, kept and renewed automatically. Every error is a {@link ClientError}. */
export interface Client {
  /**
   * Calls the API with a token. `path` is resolved against the first `apiUrl` and may not leave the origins and paths of all.
   * After a 401 whose challenge contains `invalid_token` there is one more attempt with a new token, if there is one and the
   * body can be sent again; likewise after `use_dpop_nonce`;
   * after 429 or 503 with `Retry-After`, two at most for an idempotent method, within `maxRetryAfterMs`.
   * A 403 that names a missing scope is an {@link InsufficientScope}, or with `stepUp` one more attempt with the scope.
   * Every other status, a second 401 too, is the caller's to read.
   */
  readonly fetch: (path: string, request?: ApiRequest) => Promise<Response>
  /** The token itself, for what is not a `fetch`. Keep it out of logs; where it may be sent is then yours to check. */
  readonly token: (request?: TokenRequestOptions | readonly string[]) => Promise<string>
  /** Another token than the one that an API refused with `invalid_token`; undefined: there is none now. At most one request in 10 s. */
  readonly replace: (refused: string, request?: TokenRequestOptions | readonly string[]) => Promise<string | undefined>
  /**
   * A `fetch` that adds the token to requests of the APIs, and passes on all others; Node's own one unless another is given. Its
   * connections are its own: the certificate of `mtls` is not presented there. The body of a `Request`, of a stream too, is kept until
   * the response begins, for the other attempt.
   */
  readonly wrap: (given?: Fetch) => Fetch
  /**
   * For `dispatcher.compose()` of undici 7: adds the token likewise, and repeats once after `invalid_token` and `use_dpop_nonce`, also a
   * body of at most 64 kB that is an iterable, as that of each `fetch`. The certificate of `mtls` is for the dispatcher to present. A
   * request without an origin, as of a `Pool` or a `Client`, fails with a {@link SettingsError}.
   */
  readonly interceptor: () => Dispatcher.DispatcherComposeInterceptor
  /** Ends connections to the issuer, and what waits for a token; calls under way to the API are left to their deadline. Never rejects. */
  readonly close: () => Promise<void>
}

/**
 * A client for the client credentials grant (RFC 6749 section 4.4). One per process and client id is enough: calls share
 * the token, one for each set of scopes, audience and resource; the {@link MOST_TOKENS} used last are kept.
 * Throws {@link SettingsError}. Nothing is sent before the first call.
 * Not checked: the token, which is opaque to a client (RFC 9068 section 6).
 */
export function createClient (options: ClientOptions): Client {
  const settings = readSettings(options)
  const { apiDeadlineMs, tokenDeadlineMs, useEnvProxy, credentials } = settings
  const bounded = createBoundedFetch({ deadlineMs: tokenDeadlineMs, maxBytes: MAX_RESPONSE_BYTES, useEnvProxy, tls: credentials.tls })
  const connections = createConnections({ timeoutMs: apiDeadlineMs, useEnvProxy, tls: credentials.apiTls })
  const closing = new AbortController()
  const sources = createTokenSources(createTokenRequest(settings, bounded), settings, closing.signal)
  const calling = { settings, sources, stepUps: createStepUps(MOST_TOKENS), closing: closing.signal }

  return {
    async fetch (path, request = {}) {
      const { href, api } = targetOf(path, settings.apis)
      return await callApi({
        wish: checkedWish(request, api.wish),
        href,
        method: request.method ?? 'GET',
        repeatable: isRepeatable(request),
        signal: request.signal,
        attempt: (presented) => send({ href, request, presented, connections, deadlineMs: apiDeadlineMs })
      }, calling)
    },
    async token (request = {}) {
      const { parameters, signal } = read(request)
      const token = sources.sourceFor(checkedWish(parameters, settings.wish)).current()
      return signal === undefined ? await token : await untilAborted(token, signal)
    },
    async replace (refused, request = {}) {
      const { parameters, signal } = read(request)
      const token = sources.sourceFor(checkedWish(parameters, settings.wish)).replace(refused)
      return signal === undefined ? await token : await untilAborted(token, signal)
    },
    wrap: (given = fetch) => wrapFetch(given, calling),
    interceptor: () => createInterceptor(calling),
    async close () {
      closing.abort()
      connections.retire()
      await bounded.close()
    }
  }
}

interface Read { readonly parameters: TokenParameters, readonly signal: AbortSignal | undefined }

function read (request: TokenRequestOptions | readonly string[]): Read {
  if (!('length' in request)) return { parameters: request, signal: request.signal }
  return { parameters: { scope: request }, signal: undefined }
}

function checkedWish (parameters: TokenParameters, otherwise: TokenWish): TokenWish {
  const { scope, audience, resource } = parameters
  if (scope === undefined && audience === undefined && resource === undefined) return otherwise
  const problems = parameterProblems({ scope, audience, resource })
  if (problems.length > 0) throw new SettingsError(problems)
  return wishOf(parameters, otherwise)
}
