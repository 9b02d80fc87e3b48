import type { FastifyRequest } from 'fastify'
import { isLoopbackHost } from '../src/http/addresses.ts'

const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-real-ip', 'via']

/** Whether the caller is on this machine and is not a proxy. Headers can be left out, the address of the socket cannot be chosen. */
export function isThisMachine ({ socket, headers }: FastifyRequest): boolean {
  return isLoopbackHost(socket.remoteAddress ?? '') && !FORWARDING.some((name) => headers[name] !== undefined)
}

/**
 * The same, and the page was opened under a name of this machine: a foreign name that resolves to it (DNS rebinding) is another
 * origin's.
 */
export function isOwnPage (request: FastifyRequest): boolean {
  return isThisMachine(request) && isLoopbackHost(request.hostname)
}
