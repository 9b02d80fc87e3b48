import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { passTo } from '../http/dispatch-handler.ts'
import type { Head, Passing } from '../http/dispatch-handler.ts'
import { apiAt, originOf } from './api-address.ts'
import type { PresentedToken } from './api-request.ts'
import type { Calling } from './call.ts'
import { remedyFor } from './challenge.ts'
import type { Remedy } from './challenge.ts'
import { dispatchBodyOf } from './dispatch-body.ts'
import { presented } from './dpop.ts'
import { SettingsError } from './errors.ts'
import type { Settings } from './settings.ts'
import type { TokenSource } from './token-source.ts'

/** A refusal is kept while another token is requested; a longer one is passed on. */
const MOST_HELD_BYTES = 65_536

type Controller = Dispatcher.DispatchController
type Handler = Dispatcher.DispatchHandler
type Upgrade = NonNullable<Handler['onRequestUpgrade']>
type Body = NonNullable<Dispatcher.DispatchOptions['body']> | null

/**
 * Adds the token to requests of the client's APIs, and passes on all others. After `invalid_token` or `use_dpop_nonce` a request
 * whose body can be sent again is sent once more. Everything else is left to the interceptors of undici, such as `interceptors.retry()`.
 * A request without an origin is a {@link SettingsError}: it would go out without a token, and nobody would know why.
 */
export function createInterceptor (calling: Calling & { readonly settings: Settings }): Dispatcher.DispatcherComposeInterceptor {
  const { apis, dpop } = calling.settings
  return (dispatch) => (options, handler) => {
    const origin = originOf(options.origin)
    if (origin === undefined) {
      passTo(handler).error(NO_CONNECTION, new SettingsError([NO_ORIGIN]))
      return true
    }
    const address = `${origin}${options.path}`
    const api = address.startsWith(`${origin}/`) ? apiAt(address, apis) : undefined
    if (api === undefined) return dispatch(options, handler)
    const passing = passTo(handler)
    const refuse = (error: Error): void => { passing.error(NO_CONNECTION, error) }
    const place = { method: options.method, url: new URL(address) }
    const body = dispatchBodyOf(options.body)
    void tokenOf(calling, api.wish).then(({ source, token }) => {
      const attempt: Attempt = (one, used) => {
        const headers = headersWith(options.headers, presented(dpop, one, place))
        const upgrade: Upgrade = (...upgraded) => handler.onRequestUpgrade?.(...upgraded)
        dispatch({ ...options, headers, body: body.next() as Body }, holding(passing, upgrade, (head) => {
          dpop?.keepNonce(place.url, true, head.headers['dpop-nonce'])
          const found = repetition(head, { source, token: one, used, bound: dpop !== undefined, repeatable: body.isRepeatable() })
          if (found === undefined && head.status >= 200) body.release()
          return found
        }, attempt))
      }
      attempt(token, [])
    }).catch(refuse)
    return true
  }
}

type Attempt = (token: string, used: readonly Remedy[]) => void

/** Another attempt: with which token, and which remedies are then used up; each is used once. */
interface Repetition {
  readonly token: () => Promise<string | undefined>
  readonly used: readonly Remedy[]
}

interface Attempted {
  readonly source: TokenSource
  readonly token: string
  readonly used: readonly Remedy[]
  readonly bound: boolean
  readonly repeatable: boolean
}

/** Undefined: the response is passed on. A token that was refused is replaced for the next request all the same. */
function repetition ({ status, headers }: Head, { source, token, used, bound, repeatable }: Attempted): Repetition | undefined {
  const remedy = remedyFor(status, challengeOf(headers), bound)
  if (remedy === undefined || used.includes(remedy)) return undefined
  if (remedy === 'another token' && !repeatable) void source.replace(token)
  if (!repeatable || (remedy === 'another proof' && headers['dpop-nonce'] === undefined)) return undefined
  return { used: [...used, remedy], token: remedy === 'another token' ? () => source.replace(token) : () => Promise.resolve(token) }
}

/** A pool or a client of undici goes to one place, and does not say to which: the token might be for another. */
const NO_ORIGIN = {
  option: 'origin',
  expected: 'scheme, host and port of where the request goes; compose the interceptor with an Agent, a ProxyAgent or an ' +
    'EnvHttpProxyAgent, or, with a Pool or a Client, pass its origin in each request'
}

/** There is none yet, or none any more. */
const NO_CONNECTION: Controller = {
  aborted: false, paused: false, reason: null, rawHeaders: null, rawTrailers: null,
  abort: () => undefined, pause: () => undefined, resume: () => undefined
}

async function tokenOf (
  { sources, stepUps }: Calling,
  wish: Settings['wish']
): Promise<{ readonly source: TokenSource, readonly token: string }> {
  const source = sources.sourceFor(stepUps.grown(wish))
  return { source, token: await source.current() }
}

/** As undici accepts them: pairs in a list or in an iterable, or an object. */
function headersWith (
  given: Dispatcher.DispatchOptions['headers'],
  replacing: PresentedToken
): Record<string, string | string[] | undefined> {
  const pairs = Array.isArray(given)
    ? given.flatMap((name, at): Array<[string, string]> => at % 2 === 0 ? [[name, String(given[at + 1])]] : [])
    : Symbol.iterator in Object(given) ? [...given as Iterable<[string, string | string[] | undefined]>] : Object.entries(given ?? {})
  const others = pairs.filter(([name]) => !Object.hasOwn(replacing, name.toLowerCase()))
  return { ...Object.fromEntries(others), ...replacing }
}

/** Holds back a response until it is known whether there is another attempt. */
function holding (passing: Passing, upgrade: Upgrade, judge: (head: Head) => Repetition | undefined, attempt: Attempt): Handler {
  let held: { readonly head: Head, readonly chunks: Buffer[], readonly repetition: Repetition, bytes: number } | undefined

  function release (): void {
    if (held === undefined) return
    const { head, chunks } = held
    held = undefined
    passing.head(head)
    for (const chunk of chunks) passing.data(head.controller, chunk)
  }

  return {
    onRequestStart: passing.start,
    onRequestUpgrade: upgrade,
    onResponseError: passing.error,
    onResponseStart (controller, status, headers, statusMessage) {
      const head = { controller, status, headers, statusMessage }
      const found = judge(head)
      if (found === undefined) passing.head(head)
      else held = { head, chunks: [], repetition: found, bytes: 0 }
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
      const { token, used } = held.repetition
      void token().then((next) => {
        if (next !== undefined) {
          attempt(next, used)
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
