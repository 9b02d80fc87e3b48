import type { IncomingMessage } from 'node:http'
import type { FastifyReply } from 'fastify'

const WAITED_MS = Symbol('waited')

declare module 'node:http' {
  interface IncomingMessage { [WAITED_MS]?: number }
}

/** A request was served only after so long, since the process was busy: Fastify did not know of it yet. */
export function noteWait (request: IncomingMessage, waitedMs: number): void {
  request[WAITED_MS] = waitedMs
}

/** From the head of a request, also where it waited, until now. */
export function elapsedMs ({ request: { raw }, elapsedTime }: FastifyReply): number {
  return elapsedTime + (raw[WAITED_MS] ?? 0)
}
