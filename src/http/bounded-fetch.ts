import { readConnectionError } from './connection-error.ts'
import { createConnections, type ConnectionOptions, type Lease } from './connections.ts'
import { Exchange, untilAborted } from './exchange.ts'
import type { ResponseHeaders } from './watched-handler.ts'

/** What one exchange may cost. `deadlineMs` covers connect, headers and the whole body together; `maxBytes` counts the body. */
export interface Bounds {
  readonly deadlineMs: number
  readonly maxBytes: number
  /** Through HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
  readonly useEnvProxy?: boolean | undefined
  readonly tls?: ConnectionOptions['tls']
}

/** Why an exchange was aborted. `unreachable` is every failure of DNS, TCP, TLS, a proxy or HTTP framing. */
export type FetchErrorCode = 'deadline' | 'too_large' | 'redirect' | 'content_encoding' | 'unreachable'

/** No response within the bounds. The message names the reason. There is no `cause`: it may carry bytes of the response. */
export class FetchError extends Error {
  override readonly name = 'FetchError'
  readonly code: FetchErrorCode
  /** Of `unreachable`, where there is one: ECONNREFUSED, CERT_HAS_EXPIRED. Then the message is a fixed text and can be shown to anyone. */
  readonly systemCode: string | undefined

  constructor (code: FetchErrorCode, message: string, systemCode?: string) {
    super(message)
    this.code = code
    this.systemCode = systemCode
  }
}

/** A response that arrived complete and within the bounds. Header names are in lower case. `text` is UTF-8, decoded leniently. */
export interface BoundedResponse {
  readonly status: number
  readonly headers: ResponseHeaders
  readonly text: string
}

/** The options that bind one call of `fetch`. Headers may be added to them. */
export interface BoundOptions extends RequestInit {
  readonly headers: Readonly<Record<string, string>>
}

/** For a library that calls the global `fetch` itself (get-jwks). Valid for one `fetch` only. */
export interface BoundedExchange {
  readonly options: BoundOptions
  /** Waits for the work that makes the call, and no longer than the deadline. Throws a {@link FetchError}, whatever the work threw. */
  readonly response: (work: Promise<unknown>) => Promise<BoundedResponse>
}

export interface ExchangeOptions {
  /** Opens a connection for this exchange, and closes it afterwards: another node behind the same address may respond. */
  readonly newConnection?: boolean
}

/** A fetch with one deadline, one size and no redirects, over connections of its own. */
export interface BoundedFetch {
  readonly fetch: (url: string | URL, init?: RequestInit) => Promise<BoundedResponse>
  /** Throws a {@link FetchError} when no connection can be set up at all. */
  readonly exchange: (options?: ExchangeOptions) => BoundedExchange
  /** Ends what is under way. Never rejects. */
  readonly close: () => Promise<void>
}

const IDENTITY = { 'accept-encoding': 'identity' }

/**
 * Compressed responses are refused: the size would be that on the wire, not of what it unpacks to.
 * Not checked: the status (any but a redirect is a response), the content type, the certificate beyond Node's defaults.
 */
export function createBoundedFetch (bounds: Bounds): BoundedFetch {
  const connections = createConnections({ timeoutMs: bounds.deadlineMs, useEnvProxy: bounds.useEnvProxy, tls: bounds.tls })

  function exchange ({ newConnection = false }: ExchangeOptions = {}): BoundedExchange {
    try {
      return boundedExchange(connections.lease(newConnection), bounds)
    } catch (error) {
      throw unreachable(error)
    }
  }

  return {
    exchange,
    async fetch (url, init = {}) {
      const { options, response } = exchange()
      const headers = { ...init.headers as Readonly<Record<string, string>>, ...options.headers }
      return await response(fetch(url, { ...init, ...options, headers }).then(async (one) => await one.arrayBuffer()))
    },
    close: connections.close
  }
}

function boundedExchange (lease: Lease, { deadlineMs, maxBytes }: Bounds): BoundedExchange {
  const chunks: Buffer[] = []
  let bytes = 0
  let head: Pick<BoundedResponse, 'status' | 'headers'> | undefined
  let complete = false
  const abort = new AbortController()
  const { signal } = abort
  const exchange = new Exchange(lease, deadlineMs, {
    late: () => new FetchError('deadline', `no complete response within ${deadlineMs} ms`),
    start (status, headers) {
      head = { status, headers }
      return refusal(status, headers)
    },
    data (chunk) {
      bytes += chunk.length
      if (bytes > maxBytes) return new FetchError('too_large', `a response of more than ${maxBytes} bytes`)
      chunks.push(chunk)
      return undefined
    },
    over: (whole) => { complete = whole },
    canceled: (reason) => { abort.abort(reason) }
  })
  return {
    options: { ...exchange.optionsWith({ signal }), headers: IDENTITY },
    async response (work) {
      const error: unknown = await untilAborted(work, signal).then(() => undefined, (reason: unknown) => reason)
      if (complete && head !== undefined) return { ...head, text: Buffer.concat(chunks).toString('utf8') }
      const failure = signal.aborted ? signal.reason as FetchError : unreachable(error)
      exchange.cancel(failure)
      throw failure
    }
  }
}

function refusal (status: number, headers: ResponseHeaders): FetchError | undefined {
  if (status >= 300 && status < 400 && status !== 304) return new FetchError('redirect', `a redirect (${status}), which is never followed`)
  if (!isIdentity(headers['content-encoding'])) return new FetchError('content_encoding', 'a compressed response, which was not requested')
  return undefined
}

/** Static hosting sends an empty value, or `identity` (RFC 9110 section 8.4.1: the name is case-insensitive). */
function isIdentity (encodings = ''): boolean {
  return encodings.split(',').every((name) => ['', 'identity'].includes(name.trim().toLowerCase()))
}

function unreachable (error: unknown): FetchError {
  const { code, message } = readConnectionError(error)
  return new FetchError('unreachable', message, code)
}
