import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { passTo } from '../http/dispatch-handler.ts'
import type { Head, Passing } from '../http/dispatch-handler.ts'
import { apiOf } from './api-address.ts'
import type { Calling } from './call.ts'
import { saysInvalidToken } from './challenge.ts'
import type { Settings } from './settings.ts'
import type { TokenSource } from './token-source.ts'

/** A refusal is kept while another token is requested; a longer one is passed on. */
const MOST_HELD_BYTES = 65_536

type Controller = Dispatcher.DispatchController
type Handler = Dispatcher.DispatchHandler

/**
 * Adds the token to requests of the client's APIs, and passes on all others. After `invalid_token` a request whose body can be sent
 * again is sent once more. Everything else is left to the interceptors of undici, such as `interceptors.retry()`.
 */
export function createInterceptor (calling: Calling & { readonly settings: Settings }): Dispatcher.DispatcherComposeInterceptor {
  const { apis } = calling.settings
  return (dispatch) => (options, handler) => {
    const address = `${String(options.origin ?? '')}${options.path}`
    const api = URL.canParse(address) ? apiOf(new URL(address), apis) : undefined
    if (api === undefined) return dispatch(options, handler)
    const passing = passTo(handler)
    const refuse = (error: Error): void => { passing.error(NO_CONNECTION, error) }
    const withToken = (token: string): Dispatcher.DispatchOptions => ({ ...options, headers: headersWith(options.headers, token) })
    void tokenOf(calling, api.wish).then(({ source, token }) => {
      const again = isRepeatable(options.body) ? (next: string): void => { dispatch(withToken(next), throughTo(passing)) } : undefined
      dispatch(withToken(token), holding(passing, source, token, again))
    }).catch(refuse)
    return true
  }
}

/** There is none yet, or none any more. */
const NO_CONNECTION: Controller = {
  aborted: false, paused: false, reason: null, rawHeaders: null, rawTrailers: null,
  abort: () => undefined, pause: () => undefined, resume: () => undefined
}

async function tokenOf ({ sources, stepUps }: Calling, wish: Settings['wish']): Promise<{ readonly source: TokenSource, readonly token: string }> {
  const source = sources.sourceFor(stepUps.grown(wish))
  return { source, token: await source.current() }
}

/** As undici accepts them: pairs in a list or in an iterable, or an object. */
function headersWith (given: Dispatcher.DispatchOptions['headers'], token: string): Record<string, string | string[] | undefined> {
  const pairs = Array.isArray(given)
    ? given.flatMap((name, at): Array<[string, string]> => at % 2 === 0 ? [[name, String(given[at + 1])]] : [])
    : Symbol.iterator in Object(given) ? [...given as Iterable<[string, string | string[] | undefined]>] : Object.entries(given ?? {})
  const others = pairs.filter(([name]) => name.toLowerCase() !== 'authorization')
  return { ...Object.fromEntries(others), authorization: `Bearer ${token}` }
}

function isRepeatable (body: unknown): boolean {
  return body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array
}

function throughTo (passing: Passing): Handler {
  return {
    onRequestStart: passing.start,
    onResponseStart (controller, status, headers, statusMessage) { passing.head({ controller, status, headers, statusMessage }) },
    onResponseData: passing.data,
    onResponseEnd: passing.end,
    onResponseError: passing.error
  }
}

/** Holds back a refusal of the token until it is known whether there is another one. */
function holding (passing: Passing, source: TokenSource, token: string, again: ((next: string) => void) | undefined): Handler {
  let held: { readonly head: Head, readonly chunks: Buffer[], bytes: number } | undefined

  function release (): void {
    if (held === undefined) return
    const { head, chunks } = held
    held = undefined
    passing.head(head)
    for (const chunk of chunks) passing.data(head.controller, chunk)
  }

  return {
    ...throughTo(passing),
    onResponseStart (controller, status, headers, statusMessage) {
      const head = { controller, status, headers, statusMessage }
      if (!saysInvalidToken(status, challengeOf(headers))) passing.head(head)
      else if (again === undefined) { void source.replace(token); passing.head(head) } else held = { head, chunks: [], bytes: 0 }
    },
    onResponseData (controller, chunk) {
      if (held === undefined) {
        passing.data(controller, chunk)
        return
      }
      held.chunks.push(chunk)
      held.bytes += chunk.length
      if (held.bytes > MOST_HELD_BYTES) release()
    },
    onResponseEnd (controller, trailers) {
      if (held === undefined) {
        passing.end(controller, trailers)
        return
      }
      void source.replace(token).then((next) => {
        if (next !== undefined) {
          again?.(next)
          return
        }
        release()
        passing.end(controller, trailers)
      })
    }
  }
}

function challengeOf (headers: IncomingHttpHeaders): string | null {
  const value: string | string[] | undefined = headers['www-authenticate']
  return value === undefined ? null : [value].flat().join(', ')
}
