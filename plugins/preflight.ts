import type { FastifyRequest } from 'fastify'

/** Whether this is a CORS preflight (Fetch standard §3.2.2), which never carries credentials. */
export function isPreflight ({ method, headers }: FastifyRequest): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}
