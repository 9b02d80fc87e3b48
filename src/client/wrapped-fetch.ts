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
    const signal = init.signal === undefined ? request?.signal : init.signal
    const inputs = inputsOf(input, init)
    return await callApi({
      wish: api.wish,
      href: address,
      method: init.method ?? request?.method ?? 'GET',
      repeatable: inputs.repeatable,
      signal: signal ?? undefined,
      attempt: (presented) => {
        const headers = withToken(init.headers ?? request?.headers, presented)
        const sent = { ...init, headers, redirect: redirect === 'follow' ? 'manual' : redirect, ...signal !== undefined && { signal } }
        const response = given(inputs.next(), sent)
        return redirect === 'follow' ? response.then(withoutRedirect) : response
      }
    }, calling).catch((error: unknown) => {
      if (!(error instanceof InsufficientScope)) throw error
      calling.sources.warn(api.wish.scope, { code: 'insufficient_scope', message: error.message, scopes: error.required })
      return error.response
    }).finally(inputs.release)
  }
}

/** What the attempts of one call are made with. */
interface Inputs {
  readonly repeatable: boolean
  /** For one attempt. */
  readonly next: () => string | URL | Request
  /** There is no other attempt. */
  readonly release: () => void
}

/** A body in `init` takes the place of that of a `Request`. */
function inputsOf (input: string | URL | Request, init: RequestInit): Inputs {
  if (typeof input === 'object' && 'url' in input && (init.body ?? null) === null && (input.body ?? null) !== null) return copiesOf(input)
  return { repeatable: isRepeatable(init), next: () => input, release: () => undefined }
}

/**
 * The body of a `Request` can be read once, so each attempt leaves a copy for the next one. The copy keeps what is read until it is
 * canceled, at the latest with the response. A clone follows the signal of its `Request` only until that is collected: give it the signal.
 */
function copiesOf (request: Request): Inputs {
  const isReadable = request.body instanceof ReadableStream && !request.bodyUsed && !request.body.locked
  if (!isReadable) return { repeatable: false, next: () => request, release: () => undefined }
  let kept = request
  return {
    repeatable: true,
    next () {
      const sent = kept
      kept = sent.clone()
      return sent
    },
    release () {
      // Of one that failed, the failure has been reported.
      if (kept !== request) kept.body?.cancel().catch(() => undefined)
    }
  }
}
