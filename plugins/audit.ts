import type { FastifyReply } from 'fastify'
import fp from 'fastify-plugin'
import { shown } from '../src/oauth/printable.ts'
import type { Principal } from '../src/oauth/principal.ts'
// Their additions to the types of Fastify.
import type {} from './listeners.ts'
import { REFUSED } from './names.ts'
import { replyTo } from './reply-to.ts'
import { traceIdOf } from './trace-context.ts'

const DECISION = Symbol('decision')

declare module 'fastify' {
  interface FastifyRequest {
    /** The route, as nothing has refused the request before its body is read: the handler may pass it on to another. Or: its line is. */
    [DECISION]: { readonly url: string | undefined } | 'written' | undefined
  }
}

/**
 * `AUDIT=on`: a line for each decision about a caller, whatever LOG_LEVEL is. A request of a public route, of no route, or a preflight is
 * no decision; nor is one that ended before it was decided about. The trail is complete: it is never sampled. Register it after all that
 * may refuse a request before its body is read.
 */
export default fp((app, _options, done) => {
  const trail = app.log.child({ audit: true }, { level: 'info' })
  const write = ({ request }: FastifyReply): void => {
    const { [REFUSED]: refused, [DECISION]: decision } = request
    if (decision === 'written' || (refused?.reason === undefined && decision === undefined)) return
    request[DECISION] = 'written'
    const traceId = traceIdOf(request.raw)
    trail.info({
      decision: refused?.reason === undefined ? 'allowed' : 'refused',
      ...refused?.reason !== undefined && { reason: refused.reason },
      ...whoOf(request),
      reqId: request.id,
      method: request.method,
      route: (decision ?? request.routeOptions).url ?? 'none',
      address: addressOf(request),
      ...traceId !== undefined && { trace_id: traceId }
    }, 'audit')
  }
  app.decorateRequest(DECISION, undefined)
  app.addHook('onRequest', (request, reply, next) => {
    const { mode } = request.access ?? {}
    if (mode === 'protected' || mode === 'optional') request[DECISION] = request.routeOptions
    // A caller who left while its token was verified: what the handler does is done in its name all the same.
    if (request.raw.socket.destroyed) write(reply)
    next()
  })
  app.addHook('onResponse', (_request, reply, next) => {
    write(reply)
    next()
  })
  app.listeners.left.push((raw) => {
    const reply = replyTo(raw)
    if (reply !== undefined) write(reply)
  })
  done()
}, { name: 'audit', dependencies: ['listeners', 'request-log', 'access-policy'] })

/** Undefined for a Unix socket, and for a connection that was closed before it was accepted. */
export function addressOf ({ ip }: { readonly ip: string | undefined }): string | undefined {
  return ip === undefined ? undefined : shown(ip)
}

/** Of a verified token, or what a refused one claims. */
function whoOf ({ optionalPrincipal, [REFUSED]: refused }: FastifyReply['request']): Readonly<Record<string, unknown>> {
  if (optionalPrincipal === undefined) return refused?.unverifiedClient === undefined ? {} : { unverifiedClient: refused.unverifiedClient }
  const who: Record<string, unknown> = { issuer: optionalPrincipal.issuer }
  nameCaller(who, optionalPrincipal)
  return who
}

/** Adds what of a verified token names the caller in a line. */
export function nameCaller (line: Record<string, unknown>, { clientId, subject, claims: { jti } }: Principal): void {
  if (clientId !== undefined) line.client = shown(clientId)
  if (subject !== undefined) line.sub = shown(subject)
  if (jti !== undefined) line.jti = shown(jti)
}
