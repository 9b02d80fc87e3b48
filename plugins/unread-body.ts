import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'

/** Of a body that nobody reads: so much is discarded, so that the caller can send it and read the response. */
export const DISCARDED_BYTES = 64 * 1024

/** Whether a body may be longer than what is discarded: by its length, or chunked. Then the connection must end (RFC 9112 §9.3). */
export function isBodyLong ({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > DISCARDED_BYTES
}

const written = new WeakSet<IncomingMessage>()

/**
 * Whether a response is written but for its end, which waits for the body of the request: a caller that goes then has all of it. Not where
 * the response still waits for its turn on the connection (pipelining).
 */
export function isWritten (response: ServerResponse): boolean {
  return response.socket !== null && written.has(response.req)
}

/**
 * A response body that ends when the request body has, or when enough of it was discarded. Closing the connection while bytes of the
 * request are on their way would reset it, and the caller might never see the response (RFC 9112 §9.6). The request's time-out bounds it.
 */
export function endingWith (body: IncomingMessage, text: string): Readable {
  const response = new Readable({ read: () => { written.add(body) } })
  const end = (): void => { response.push(null) }
  let discarded = 0
  response.push(text)
  body.on('end', end).on('error', end).on('data', (chunk: Buffer) => {
    discarded += chunk.length
    if (discarded > DISCARDED_BYTES) end()
  })
  return response
}
