import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Caller } from '../src/oauth/fair-lines.ts'

const WAITED_MS = Symbol('waited')

declare module 'node:http' {
  interface IncomingMessage { [WAITED_MS]?: number }
}

/** A request that waits, and what to do with it. */
export interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly sinceMs: number
  /** Whose request it is, if that is a suspect. */
  suspect: Caller | undefined
}

/** Nobody waits for the response any more. A pipelined response whose turn has not come does not notice that by itself. */
export function hasLeft ({ request, response }: Waiting): boolean {
  return response.destroyed || request.socket.destroyed
}

/** A request was served only after so long, since the process was busy: Fastify did not know of it yet. */
export function noteWait (request: IncomingMessage, waitedMs: number): void {
  request[WAITED_MS] = waitedMs
}

/** From the head of a request, also where it waited, until now. */
export function elapsedMs ({ request: { raw }, elapsedTime }: FastifyReply): number {
  return elapsedTime + (raw[WAITED_MS] ?? 0)
}
