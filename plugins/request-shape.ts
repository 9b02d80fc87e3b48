import fp from 'fastify-plugin'
import { NotFound } from './error-handler.ts'

/** A request that is not one of HTTP/1.1 (RFC 9112 §3.2): no Host. */
class MalformedRequest extends Error {
  readonly statusCode = 400
}

/**
 * What Node would answer by itself, in our form: a missing Host, an unknown Expect. And a body is only asked for when the request was
 * let in: `100 Continue` is sent where the body is about to be read, not before the route's access was enforced.
 */
export default fp((app, _options, done) => {
  app.addHook('onRequest', ({ raw }, reply, next) => {
    // Upgrade is ignored (RFC 9110 §7.8), but bytes of the other protocol may follow.
    if (raw.headers.upgrade !== undefined) reply.header('connection', 'close')
    next(raw.headers.host === undefined && raw.httpVersion === '1.1' ? new MalformedRequest('no Host') : undefined)
  })
  app.addHook('preParsing', (request, reply, _payload, next) => {
    if (request.is404) { next(new NotFound('no such path')); return }
    app.listeners.continue(request.raw, reply.raw)
    next()
  })
  app.removeContentTypeParser('text/plain')
  done()
}, { name: 'request-shape', dependencies: ['error-handler', 'listeners'] })
