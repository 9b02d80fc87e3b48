import { apiAt } from './api-address.ts'
import { isRepeatable, withoutRedirect, withToken } from './api-request.ts'
import { callApi } from './call.ts'
import type { Calling } from './call.ts'
import { InsufficientScope } from './errors.ts'
import type { Settings } from './settings.ts'

/** What `fetch` is, of Node or of undici. */
export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * The given `fetch` with a token for addresses of the client's APIs; every other request is passed on as it is. Deadlines, proxies and
 * authorities are the given one's. It returns every response of an API, as `fetch` does: a missing scope is a warning.
 */
export function wrapFetch (given: Fetch, calling: Calling & { readonly settings: Settings }): Fetch {
  return async (input, init = {}) => {
    const request = typeof input === 'object' && 'url' in input ? input : undefined
    const address = typeof input === 'object' && 'url' in input ? input.url : input.toString()
    const api = apiAt(address, calling.settings.apis)
    if (api === undefined) return await given(input, init)
    const redirect = init.redirect ?? request?.redirect ?? 'follow'
    return await callApi({
      wish: api.wish,
      href: address,
      method: init.method ?? request?.method ?? 'GET',
      repeatable: isRepeatable(init) && (request?.body ?? null) === null,
      signal: init.signal ?? request?.signal,
      attempt: (presented) => {
        const headers = withToken(init.headers ?? request?.headers, presented)
        const response = given(input, { ...init, headers, redirect: redirect === 'follow' ? 'manual' : redirect })
        return redirect === 'follow' ? response.then(withoutRedirect) : response
      }
    }, calling).catch((error: unknown) => {
      if (!(error instanceof InsufficientScope)) throw error
      calling.sources.warn(api.wish.scope, { code: 'insufficient_scope', message: error.message, scopes: error.required })
      return error.response
    })
  }
}
