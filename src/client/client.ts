import * as events from '../events.ts'
import { createBoundedFetch } from '../http/bounded-fetch.ts'
import { createConnections } from '../http/connections.ts'
import { untilGivenUp } from '../http/exchange.ts'
import { addressOf } from './api-address.ts'
import { isRepeatable, send } from './api-request.ts'
import type { ApiRequest } from './api-request.ts'
import { saysInvalidToken } from './challenge.ts'
import { ClientClosed, SettingsError } from './errors.ts'
import type { ClientError } from './errors.ts'
import { readSettings, scopeProblem } from './settings.ts'
import type { ClientAuthentication, ClientOptions, ClientWarning } from './settings.ts'
import type { IssuedToken } from './token-response.ts'
import { createTokenSource } from './token-source.ts'
import type { TokenSource } from './token-source.ts'
import { createTokenRequest, MAX_RESPONSE_BYTES } from './token-request.ts'

export type { ApiRequest, ClientAuthentication, ClientOptions, ClientWarning }
export * from './errors.ts'
export { readBearerChallenge } from './challenge.ts'
export type { BearerChallenge } from './challenge.ts'

/** Calls an API as a machine: the token is fetched, kept and renewed automatically. Every error is a {@link ClientError}. */
export interface Client {
  /**
   * Calls the API with a token. `path` is resolved against `apiUrl` and may not leave its origin and path.
   * After a 401 whose challenge contains `invalid_token` there is one more attempt with a new token, if there is one and the
   * body can be sent again. Every other status, a second 401 too, is the caller's to read.
   */
  readonly fetch: (path: string, request?: ApiRequest) => Promise<Response>
  /** The token itself, for what is not a `fetch`. Keep it out of logs; where it may be sent is then yours to check. */
  readonly token: (scope?: readonly string[]) => Promise<string>
  /**
   * Ends the connections to the issuer, and what waits for a token; calls under way to the API are left to their deadline. Never
   * rejects.
   */
  readonly close: () => Promise<void>
}

/**
 * A client for the client credentials grant (RFC 6749 section 4.4). One per process and client id is enough: calls share
 * the token, one for each set of scopes; every set is kept, so take scopes from code and not from strangers.
 * Throws {@link SettingsError}. Nothing is sent before the first call.
 * Not checked: the token, which is opaque to a client (RFC 9068 section 6).
 */
export function createClient (options: ClientOptions): Client {
  const settings = readSettings(options)
  const { clientId, apiDeadlineMs, tokenDeadlineMs, useEnvProxy } = settings
  const bounded = createBoundedFetch({ deadlineMs: tokenDeadlineMs, maxBytes: MAX_RESPONSE_BYTES, useEnvProxy })
  const connections = createConnections({ timeoutMs: apiDeadlineMs, useEnvProxy })
  const request = createTokenRequest(settings, bounded)
  const sources = new Map<string, TokenSource>()
  const closing = new AbortController()

  function sourceFor (scope: readonly string[] = settings.scope): TokenSource {
    if (closing.signal.aborted) throw new ClientClosed()
    const problem = scopeProblem(scope)
    if (problem !== false) throw new SettingsError([problem])
    const words = [...new Set(scope)].sort()
    const name = words.join(' ')
    const source = sources.get(name) ?? createTokenSource(() => requestWhileOpen(words), settings)
    sources.set(name, source)
    return source
  }

  async function requestWhileOpen (scope: readonly string[]): Promise<IssuedToken> {
    const sinceMs = performance.now()
    const publish = (outcome: string): void => {
      if (events.client.hasSubscribers) events.client.publish({ event: 'token', clientId, scope, outcome, durationMs: performance.now() - sinceMs })
    }
    const issued = await untilGivenUp(request(scope), closing.signal).catch((thrown: unknown) => {
      const error = closing.signal.aborted ? new ClientClosed() : thrown
      publish((error as ClientError).code)
      throw error
    })
    publish('ok')
    if (issued.notListed.length > 0) warn(scope, scopeWarning(issued.notListed))
    return issued
  }

  function warn (scope: readonly string[], warning: ClientWarning): void {
    const { code, message } = warning
    events.client.publish({ event: 'warning', clientId, scope, code, message })
    settings.onWarning(warning)
  }

  function attempt (url: URL, call: ApiRequest, token: string): Promise<Response> {
    if (closing.signal.aborted) throw new ClientClosed()
    return send(url, call, token, connections, apiDeadlineMs)
  }

  return {
    async fetch (path, call = {}) {
      const url = addressOf(path, settings.apiUrl)
      const source = sourceFor(call.scope)
      const token = await source.current()
      const response = await attempt(url, call, token)
      if (!saysInvalidToken(response)) return response
      const renewal = source.replace(token)
      if (!isRepeatable(call)) return response
      const next = await renewal
      if (next === undefined) return response
      await response.body?.cancel()
      return await attempt(url, call, next)
    },
    async token (scope) {
      return await sourceFor(scope).current()
    },
    async close () {
      closing.abort()
      connections.retire()
      await bounded.close()
    }
  }
}

function scopeWarning (scopes: readonly string[]): ClientWarning {
  const message = `the issuer's response does not list the requested scope ${scopes.join(' ')}; an API that requires it refuses the token (403): ` +
    'in Keycloak switch on "Include in token scope" for this client scope'
  return { code: 'scope_not_listed', message, scopes }
}
