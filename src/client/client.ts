import { createBoundedFetch } from '../http/bounded-fetch.ts'
import { addressOf, isRepeatable, send } from './api-request.ts'
import type { ApiRequest } from './api-request.ts'
import { saysInvalidToken } from './challenge.ts'
import { ClientClosed, SettingsError } from './errors.ts'
import { readSettings, scopeFault } from './settings.ts'
import type { ClientOptions } from './settings.ts'
import type { IssuedToken } from './token-answer.ts'
import { createTokenLife } from './token-life.ts'
import type { TokenLife } from './token-life.ts'
import { createTokenRequest, ISSUER_BOUNDS } from './token-request.ts'

export type { ApiRequest, ClientOptions }
export * from './errors.ts'
export { readBearerChallenge } from './challenge.ts'
export type { BearerChallenge } from './challenge.ts'

/** A machine's way into an API: the token is fetched, kept and renewed behind it. Every error is a {@link ClientError}. */
export interface Client {
  /**
   * Calls the API with a token. `path` is resolved against `apiUrl` and may not leave its origin.
   * A 401 whose challenge says `invalid_token` is answered with one more attempt under a new token, if one is to be had and the
   * body can be sent again. Every other status, a second 401 too, is the caller's to read.
   */
  fetch: (path: string, request?: ApiRequest) => Promise<Response>
  /** The token itself, for what is no `fetch`. Keep it out of logs; where it may be sent is then yours to check. */
  token: (scope?: readonly string[]) => Promise<string>
  /** Ends the connections to the issuer; calls under way to the API are left to their deadline. */
  close: () => Promise<void>
}

/**
 * A client for the client credentials grant (RFC 6749 section 4.4). One per process and client id is enough: calls share
 * the token, one for each set of scopes; every set is kept, so take scopes from code and not from strangers.
 * Throws {@link SettingsError}. Nothing is asked for before the first call.
 * Not checked: the token, which is opaque to a client (RFC 9068 section 6).
 */
export function createClient (options: ClientOptions): Client {
  const settings = readSettings(options)
  const bounded = createBoundedFetch(ISSUER_BOUNDS)
  const request = createTokenRequest(settings, bounded)
  const lives = new Map<string, TokenLife>()
  let closed = false

  function lifeFor (scope: readonly string[] = settings.scope): TokenLife {
    if (closed) throw new ClientClosed()
    const fault = scopeFault(scope)
    if (fault !== false) throw new SettingsError([fault])
    const words = [...new Set(scope)].sort()
    const name = words.join(' ')
    const life = lives.get(name) ?? createTokenLife(() => requestWhileOpen(words), settings)
    lives.set(name, life)
    return life
  }

  async function requestWhileOpen (scope: readonly string[]): Promise<IssuedToken> {
    try {
      return await request(scope)
    } catch (error) {
      throw closed ? new ClientClosed() : error
    }
  }

  return {
    async fetch (path, call = {}) {
      const url = addressOf(path, settings.apiUrl)
      const life = lifeFor(call.scope)
      const token = await life.current()
      const response = await send(url, call, token, settings.apiDeadlineMs)
      if (!saysInvalidToken(response)) return response
      const renewal = life.replace(token)
      if (!isRepeatable(call)) return response
      const next = await renewal
      if (next === undefined) return response
      await response.body?.cancel()
      return await send(url, call, next, settings.apiDeadlineMs)
    },
    async token (scope) {
      return await lifeFor(scope).current()
    },
    async close () {
      closed = true
      await bounded.close()
    }
  }
}
