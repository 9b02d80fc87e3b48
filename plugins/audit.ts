import type { FastifyBaseLogger, FastifyReply } from 'fastify'
import { shown } from '../src/oauth/printable.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { REFUSED } from './names.ts'

/** Writes the audit trail: a line for each decision about a caller, whatever LOG_LEVEL is. */
export type Audit = (reply: FastifyReply) => void

/** `AUDIT=on`. A request of a public route, or of no route, is no decision. The trail is complete: it is never sampled. */
export function auditOf (log: FastifyBaseLogger): Audit {
  const trail = log.child({ audit: true }, { level: 'info' })
  return ({ request }) => {
    const { [REFUSED]: refused, access } = request
    if (refused?.reason === undefined && (access === undefined || access.mode === 'public')) return
    trail.info({
      decision: refused?.reason === undefined ? 'allowed' : 'refused',
      ...refused?.reason !== undefined && { reason: refused.reason },
      ...whoOf(request),
      reqId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      address: addressOf(request)
    }, 'audit')
  }
}

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
