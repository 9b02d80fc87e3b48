import { readConnectionError } from '../http/connection-error.ts'
import type { Connections, Lease } from '../http/connections.ts'
import { Exchange } from '../http/exchange.ts'
import type { ExchangeReceiver } from '../http/exchange.ts'
import { isTraced, loadTracing } from '../traces.ts'
import { ApiRedirected, ApiUnreachable } from './errors.ts'
import type { TokenParameters } from './options.ts'
import { unfinished } from './unfinished-response.ts'

/** One call of the API, as for `fetch`. An `Authorization` header is replaced. */
export interface ApiRequest extends TokenParameters {
  readonly method?: string
  readonly headers?: NonNullable<RequestInit['headers']>
  /** A stream is sent once only: such a request is not repeated with a new token. */
  readonly body?: RequestInit['body']
  /** Ends every wait of the call: for a token, for the API, for its `Retry-After`. */
  readonly signal?: AbortSignal
}

/** Whether the same body can be sent once more. */
export function isRepeatable ({ body }: { readonly body?: unknown }): boolean {
  return !(typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
}

/** One attempt at an API. */
export interface Attempt {
  readonly href: string
  readonly request: ApiRequest
  readonly presented: PresentedToken
  readonly connections: Connections
  readonly deadlineMs: number
}

/**
 * The deadline and the caller's own signal are over the body of the response as well, so reading that may throw a `TimeoutError` or the
 * caller's reason. An error of the request itself is the TypeError of `fetch`.
 * Not checked: size and kind of the response.
 */
export function send (attempt: Attempt): Promise<Response> {
  if (isTraced()) return sendTraced(attempt)
  return responseTo(attempt, withToken(attempt.request.headers, attempt.presented))
}

async function sendTraced (attempt: Attempt): Promise<Response> {
  const tracing = await loadTracing()
  const headers = new Headers(withToken(attempt.request.headers, attempt.presented))
  tracing?.inject(headers)
  return await responseTo(attempt, headers)
}

/** A signal is a tenth of what a `fetch` costs, so there is one only where the caller has one; what waits here needs none. */
function responseTo (attempt: Attempt, headers: Headers | PresentedToken): Promise<Response> {
  const { href, request, connections, deadlineMs } = attempt
  const { method, body, signal } = request
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted()
    const ending = new Ending(attempt, reject)
    const exchange = new Exchange(leaseOf(connections, href), deadlineMs, ending)
    const options = exchange.optionsWith({ headers })
    if (method !== undefined) options.method = method
    if (body !== undefined) options.body = body
    if (signal !== undefined) options.signal = ending.follow(exchange, signal)
    if (!isRepeatable(request)) Object.assign(options, { duplex: 'half' })
    fetch(href, options).then((response) => {
      const one = exchange.isOver ? response : unfinished(response, ending)
      resolve(withoutRedirect(one))
    }, (error: unknown) => {
      if (!ending.hasEnded) reject(failure(error, href))
      exchange.cancel(error)
    })
  })
}

/** How an attempt ends without a response: with the reason of the caller's signal, or at its deadline. */
class Ending implements ExchangeReceiver {
  hasEnded = false
  reason: unknown
  readonly #attempt: Attempt
  readonly #reject: (error: Error) => void
  #abort: AbortController | undefined
  #stop: (() => void) | undefined

  constructor (attempt: Attempt, reject: (error: Error) => void) {
    this.#attempt = attempt
    this.#reject = reject
  }

  /** Gives a signal for `fetch` alone: the listeners that it adds to one remain there. */
  follow (exchange: Exchange, signal: AbortSignal): AbortSignal {
    this.#abort = new AbortController()
    this.#stop = () => { exchange.cancel(signal.reason) }
    signal.addEventListener('abort', this.#stop, { once: true })
    return this.#abort.signal
  }

  late (): Error {
    return new DOMException(`no complete response within ${this.#attempt.deadlineMs} ms`, 'TimeoutError')
  }

  over (): void {
    if (this.#stop !== undefined) this.#attempt.request.signal?.removeEventListener('abort', this.#stop)
  }

  canceled (reason: unknown): void {
    this.hasEnded = true
    this.reason = reason
    this.#abort?.abort(reason)
    const { href, deadlineMs, request: { signal } } = this.#attempt
    this.#reject(signal?.aborted === true ? reason as Error : new ApiUnreachable(
      `the API at ${new URL(href).origin} gave no response within ${deadlineMs} ms`
    ))
  }
}

/** Throws {@link ApiRedirected}: `fetch` would repeat the request with the token at an address that the API chooses. */
export function withoutRedirect (response: Response): Response | Promise<Response> {
  return response.status < 300 || response.status > 399 || response.status === 304 ? response : refuseRedirect(response)
}

async function refuseRedirect (response: Response): Promise<never> {
  await response.body?.cancel()
  throw new ApiRedirected(`the API responded with a redirect (${response.status}), and the token is not sent elsewhere: check the address`)
}

function leaseOf (connections: Connections, href: string): Lease {
  try {
    return connections.lease()
  } catch (error) {
    throw unreachable(error, href)
  }
}

/** `fetch` gives a cause to every error of the network, and none to what it cannot send. */
function failure (error: unknown, href: string): Error {
  return error instanceof TypeError && error.cause === undefined ? error : unreachable(error, href)
}

/** A message without a code may quote the response. */
function unreachable (error: unknown, href: string): ApiUnreachable {
  const { code, message } = readConnectionError(error)
  return new ApiUnreachable(
    `the API cannot be reached at ${new URL(href).origin} (${code === undefined ? 'the connection failed' : message})`
  )
}

/** The headers of the request that are replaced. */
export type PresentedToken = Readonly<Record<string, string>>

/** The given headers with the token. Without any, no copy is made. */
export function withToken (given: ApiRequest['headers'] | undefined, presented: PresentedToken): Headers | PresentedToken {
  if (given === undefined) return presented
  const headers = new Headers(given)
  for (const [name, value] of Object.entries(presented)) headers.set(name, value)
  return headers
}
