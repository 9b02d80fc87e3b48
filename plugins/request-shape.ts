import type { IncomingMessage, ServerResponse } from 'node:http'
import fp from 'fastify-plugin'
import { refuseExpectation } from './refusals.ts'

/** A request that is not one of HTTP/1.1 (RFC 9112 §3.2): no Host, or two. */
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
  app.server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => app.routing(request, response))
  app.addHook('preParsing', ({ raw }, reply, _payload, next) => {
    if (raw.headers.expect !== undefined) reply.raw.writeContinue()
    next()
  })
  app.removeContentTypeParser('text/plain')
  done()
}, { name: 'request-shape', dependencies: ['refusals'] })
