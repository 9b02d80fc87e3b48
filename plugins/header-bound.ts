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
