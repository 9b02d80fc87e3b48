import { maxHeaderSize as presetBytes } from '../src/http/node-http.ts'
import type { FastifyInstance } from 'fastify'

/** What a head holds beside the token: the request line and a few usual headers. */
const OTHER_HEADERS_BYTES = 1024

/**
 * A plugin cannot set how long a head the servers of its host accept: where a token of the greatest length does not fit, the caller gets
 * Node's 431 without a reason, which the operator should know at start.
 */
export function checkHeaderBound (app: FastifyInstance, maxTokenBytes: number, warn: (sentence: string) => void): void {
  app.addHook('onReady', (done) => {
    const { maxHeaderSize = presetBytes } = app.server as { maxHeaderSize?: number }
    const needed = maxTokenBytes + OTHER_HEADERS_BYTES
    if (maxHeaderSize < needed) {
      warn(`maxHeaderSize of the server is ${maxHeaderSize} bytes: tokens longer than ${maxHeaderSize - OTHER_HEADERS_BYTES} bytes ` +
        'get 431 without a reason; ' +
        `create the server with http: { maxHeaderSize: ${needed} } or more, or lower maxTokenBytes`)
    }
    done()
  })
}

/** Node reads so many headers where nothing else is set, and silently drops the others. */
const HEADERS_READ = 1_000

/**
 * With so many headers, one may have been dropped. `maxHeadersCount` of the first server says nothing of further ones (`localhost` has
 * several addresses), which may still have Node's own limit.
 */
export function countedHeaders (maxHeadersCount: number | null): number {
  return maxHeadersCount === null || maxHeadersCount === 0 ? HEADERS_READ : Math.min(maxHeadersCount, HEADERS_READ)
}
