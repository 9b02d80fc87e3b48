import { readConnectionError } from '../http/connection-error.ts'
import type { Connections, Lease } from '../http/connections.ts'
import { beginExchange, untilGivenUp } from '../http/exchange.ts'
import { isTraced, loadTracing } from '../traces.ts'
import { ApiRedirected, ApiUnreachable } from './errors.ts'
import type { TokenParameters } from './options.ts'

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

/**
 * One attempt. The deadline and the caller's own signal are over the body of the response as well, so reading that may throw a
 * `TimeoutError` or the caller's reason. An error of the request itself is the TypeError of `fetch`.
 * Not checked: size and kind of the response.
 */
export async function send (
  url: URL, request: ApiRequest, presented: PresentedToken, connections: Connections, deadlineMs: number
): Promise<Response> {
  const tracing = isTraced() ? await loadTracing() : undefined
  request.signal?.throwIfAborted()
  const headers = withToken(request.headers, presented)
  tracing?.inject(headers)
  const late = new DOMException(`no complete response within ${deadlineMs} ms`, 'TimeoutError')
  const stop = (): void => { exchange.giveUp(request.signal?.reason) }
  const over = (): void => { request.signal?.removeEventListener('abort', stop) }
  const exchange = beginExchange(leaseOf(connections, url), deadlineMs, () => late, { over })
  request.signal?.addEventListener('abort', stop, { once: true })
  const response = await untilGivenUp(fetch(url, {
    method: request.method ?? 'GET', headers, body: request.body ?? null, ...exchange.options, ...!isRepeatable(request) && { duplex: 'half' }
  }), exchange.signal).catch((error: unknown) => {
    request.signal?.throwIfAborted()
    exchange.giveUp(error)
    throw error === late ? new ApiUnreachable(`the API at ${url.origin} gave no response within ${deadlineMs} ms`) : failure(error, url)
  })
  return await withoutRedirect(response)
}

/** Throws {@link ApiRedirected}: `fetch` would repeat the request with the token at an address that the API chooses. */
export async function withoutRedirect (response: Response): Promise<Response> {
  if (response.status < 300 || response.status > 399 || response.status === 304) return response
  await response.body?.cancel()
  throw new ApiRedirected(`the API responded with a redirect (${response.status}), and the token is not sent elsewhere: check the address`)
}

function leaseOf (connections: Connections, url: URL): Lease {
  try {
    return connections.lease()
  } catch (error) {
    throw unreachable(error, url)
  }
}

/** `fetch` gives a cause to every error of the network, and none to what it cannot send. */
function failure (error: unknown, url: URL): unknown {
  return error instanceof TypeError && error.cause === undefined ? error : unreachable(error, url)
}

/** A message without a code may quote the response. */
function unreachable (error: unknown, url: URL): ApiUnreachable {
  const { code, message } = readConnectionError(error)
  return new ApiUnreachable(`the API cannot be reached at ${url.origin} (${code === undefined ? 'the connection failed' : message})`)
}

/** The headers of the request that are replaced. */
export type PresentedToken = Readonly<Record<string, string>>

export function withToken (given: ApiRequest['headers'] | undefined, presented: PresentedToken): Headers {
  const headers = new Headers(given)
  for (const [name, value] of Object.entries(presented)) headers.set(name, value)
  return headers
}
