import type { IncomingMessage, ServerResponse } from 'node:http'
import fp from 'fastify-plugin'
import { NotFound } from './error-handler.ts'
import { refuseExpectation } from './unrouted.ts'

/** A request that is not one of HTTP/1.1 (RFC 9112 §3.2): no Host. */
class MalformedRequest extends Error {
  readonly statusCode = 400
}

/**
 * What Node would answer by itself, in our form: a missing Host, an unknown Expect. And a body is only asked for when the request was
 * let in: `100 Continue` is sent where the body is about to be read, not before the route's access was enforced.
 */
export default fp((app, _options, done) => {
  app.addHook('onRequest', ({ raw }, _reply, next) => {
    next(raw.headers.host === undefined && raw.httpVersion === '1.1' ? new MalformedRequest('no Host') : undefined)
  })
  app.server.on('checkExpectation', (_request: IncomingMessage, response: ServerResponse) => refuseExpectation(response))
  const expecting = new WeakSet<IncomingMessage>()
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    expecting.add(request)
    app.routing(request, response)
  })
  app.addHook('preParsing', (request, reply, _payload, next) => {
    if (request.is404) { next(new NotFound('no such path')); return }
    if (expecting.has(request.raw)) reply.raw.writeContinue()
    next()
  })
  // Node would leave out what comes after 2,000 headers, a second Authorization too; the size of the head bounds them.
  app.server.maxHeadersCount = 0
  app.removeContentTypeParser('text/plain')
  done()
}, { name: 'request-shape', dependencies: ['error-handler'] })
