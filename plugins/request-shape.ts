import fp from 'fastify-plugin'
import { readJsonBodies, refusedCoding } from './bodies.ts'
import { NotFound } from './error-handler.ts'

/** A request that is not one of HTTP/1.1 (RFC 9112 §3.2): no Host. */
class MalformedRequest extends Error {
  readonly statusCode = 400
}

/**
 * What a request must be before its body is read: an HTTP/1.1 request has a Host, its path exists, its body has no content coding. The
 * caller is requested to send the body (`100 Continue`) where it is about to be read, not before the access of the route was enforced.
 */
export default fp((app, _options, done) => {
  app.addHook('onRequest', ({ raw }, reply, next) => {
    // Upgrade is ignored (RFC 9110 §7.8), but bytes of the other protocol may follow.
    if (raw.headers.upgrade !== undefined) reply.header('connection', 'close')
    next(raw.headers.host === undefined && raw.httpVersion === '1.1' ? new MalformedRequest('no Host') : undefined)
  })
  app.addHook('preParsing', (request, reply, _payload, next) => {
    if (request.is404) { next(new NotFound('no such path')); return }
    const refused = refusedCoding(request)
    if (refused !== undefined) { next(refused); return }
    app.listeners.continue(request.raw, reply.raw)
    next()
  })
  readJsonBodies(app)
  done()
}, { name: 'request-shape', dependencies: ['error-handler', 'listeners'] })
