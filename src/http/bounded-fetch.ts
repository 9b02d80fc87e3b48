import type { Agent, Dispatcher } from 'undici'

/** What one exchange may cost. `deadlineMs` is over connect, headers and the whole body together; `maxBytes` counts the body. */
export interface Bounds {
  readonly deadlineMs: number
  readonly maxBytes: number
}

/** Why an exchange was given up. `unreachable` is every fault of DNS, TCP, TLS or HTTP framing. */
export type FetchFaultCode = 'deadline' | 'too_large' | 'redirect' | 'content_encoding' | 'unreachable'

/** The other side did not give an answer within the bounds. The message names the fault. There is no `cause`: it may carry bytes of the answer. */
export class FetchFault extends Error {
  override readonly name = 'FetchFault'
  readonly code: FetchFaultCode

  constructor (code: FetchFaultCode, message: string) {
    super(message)
    this.code = code
  }
}

/** An answer that arrived whole and within the bounds. Header names are in lower case. `text` is UTF-8, decoded leniently. */
export interface BoundedAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** One exchange in the making: hand `options` to one `fetch`, then ask what came. Good for one `fetch` only. */
export interface BoundedExchange {
  readonly options: RequestInit
  /** The answer as it came in, once it was whole. */
  answer: () => BoundedAnswer | undefined
  /** The reason why the exchange failed, for whatever `fetch` threw. */
  faultOf: (error: unknown) => FetchFault
}

/** A fetch with one deadline, one size and no redirects, over a connection pool of its own. */
export interface BoundedFetch {
  fetch: (url: string | URL, init?: RequestInit) => Promise<BoundedAnswer>
  /** For a library that calls the global `fetch` itself (get-jwks): the options that bind that call. */
  exchange: () => Promise<BoundedExchange>
  close: () => Promise<void>
}

/**
 * Compressed answers are refused: the size would be that of the wire, not of what it unpacks to.
 * Not checked: the status (any but a redirect is an answer), the content type, the certificate beyond Node's defaults.
 */
export function createBoundedFetch (bounds: Bounds): BoundedFetch {
  let pool: Promise<Pool> | undefined

  async function exchange (): Promise<BoundedExchange> {
    pool ??= openPool(bounds)
    return beginExchange((await pool).dispatch, bounds)
  }

  return {
    exchange,
    async fetch (url, init = {}) {
      const one = await exchange()
      try {
        const response = await fetch(url, { ...init, ...one.options, headers: { ...init.headers as Record<string, string>, ...IDENTITY } })
        await response.arrayBuffer()
      } catch (error) {
        throw one.faultOf(error)
      }
      const answer = one.answer()
      if (answer === undefined) throw new FetchFault('unreachable', 'the answer was cut')
      return answer
    },
    async close () {
      if (pool !== undefined) await (await pool).agent.destroy()
    }
  }
}

const IDENTITY = { 'accept-encoding': 'identity' }

interface Pool {
  readonly agent: Agent
  readonly dispatch: (watch: Watch) => Dispatcher
}

type Controller = Dispatcher.DispatchController
type Headers = Record<string, string | string[]>
/** What the undici class really has; its declaration leaves it out. */
interface Passing {
  onResponseStart: (controller: Controller, status: number, headers: Headers, statusMessage?: string) => void
  onResponseData: (controller: Controller, chunk: Buffer) => void
  onResponseEnd: (controller: Controller, trailers: Headers) => void
}

interface Watch {
  status?: number
  headers?: Record<string, string>
  complete: boolean
  /** Fires with a FetchFault. Through fetch's own signal: an abort in the dispatcher leaves the fetch of Node 20 hanging. */
  readonly fault: AbortController
  readonly chunks: Buffer[]
}

/** undici is loaded with the first fetch: it is a third of the start of a Fastify service. */
async function openPool ({ deadlineMs, maxBytes }: Bounds): Promise<Pool> {
  const { Agent, DecoratorHandler } = await import('undici')
  const agent = new Agent({ connect: { timeout: deadlineMs }, headersTimeout: deadlineMs, bodyTimeout: deadlineMs })

  return {
    agent,
    dispatch: (watch) => agent.compose((next) => (options, handler) => next(options, watching(new DecoratorHandler(handler), watch, maxBytes)))
  }
}

/** The decorator also translates the older protocol that the fetch of Node 20 speaks. */
function watching (decorator: Dispatcher.DispatchHandler, watch: Watch, maxBytes: number): Dispatcher.DispatchHandler {
  const passing = decorator as Passing & Dispatcher.DispatchHandler
  let bytes = 0
  const giveUp = (code: FetchFaultCode, message: string): void => watch.fault.abort(new FetchFault(code, message))
  return {
    onRequestStart: (controller, context: unknown) => decorator.onRequestStart?.(controller, context),
    onResponseStart (controller, status, headers, statusMessage) {
      if (status < 200) return // an early hint; the answer follows
      watch.status = status
      watch.headers = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)]))
      const encoding = watch.headers['content-encoding'] ?? 'identity'
      if (status >= 300 && status < 400 && status !== 304) giveUp('redirect', `a redirect (${status}), which is never followed`)
      else if (encoding !== 'identity') giveUp('content_encoding', 'a compressed answer, which was not asked for')
      else passing.onResponseStart(controller, status, headers, statusMessage)
    },
    onResponseData (controller, chunk) {
      bytes += chunk.length
      if (bytes > maxBytes) { giveUp('too_large', `an answer of more than ${maxBytes} bytes`); return }
      watch.chunks.push(chunk)
      passing.onResponseData(controller, chunk)
    },
    onResponseEnd (controller, trailers) {
      watch.complete = true
      passing.onResponseEnd(controller, trailers)
    },
    onResponseError: (controller, error) => decorator.onResponseError?.(controller, error)
  }
}

function beginExchange (dispatch: Pool['dispatch'], { deadlineMs }: Bounds): BoundedExchange {
  const watch: Watch = { complete: false, chunks: [], fault: new AbortController() }
  // A timer of its own: it holds what it ends. AbortSignal.timeout within AbortSignal.any is collected by Node 20 and never fires.
  const timer = setTimeout(() => watch.fault.abort(new FetchFault('deadline', `no whole answer within ${deadlineMs} ms`)), deadlineMs).unref()
  return {
    options: {
      redirect: 'error',
      signal: watch.fault.signal,
      headers: IDENTITY,
      // Node's own fetch and the package speak the same protocol; only their type declarations differ.
      dispatcher: dispatch(watch) as unknown as NonNullable<RequestInit['dispatcher']>
    },
    answer: () => watch.complete && watch.status !== undefined
      ? { status: watch.status, headers: watch.headers ?? {}, text: Buffer.concat(watch.chunks).toString('utf8') }
      : undefined,
    faultOf (error) {
      clearTimeout(timer)
      if (watch.fault.signal.aborted) return watch.fault.signal.reason as FetchFault
      return new FetchFault('unreachable', describe(error))
    }
  }
}

/** The innermost cause's code says it best: ECONNREFUSED, ENOTFOUND, CERT_HAS_EXPIRED. */
function describe (error: unknown): string {
  let at = error
  while (at instanceof Error && at.cause !== undefined) at = at.cause
  if (at instanceof AggregateError && at.errors[0] !== undefined) at = at.errors[0] as unknown
  if (!(at instanceof Error)) return 'the connection failed'
  const { code } = at as NodeJS.ErrnoException
  return code ?? at.message
}
