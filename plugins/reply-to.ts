import type { IncomingMessage } from 'node:http'
import type { FastifyReply } from 'fastify'

const REPLY = Symbol('reply')

declare module 'node:http' {
  interface IncomingMessage { [REPLY]?: FastifyReply }
}

export function keepReply (raw: IncomingMessage, reply: FastifyReply): void {
  raw[REPLY] = reply
}

/** Of a request that has reached Fastify. */
export function replyTo (raw: IncomingMessage): FastifyReply | undefined {
  return raw[REPLY]
}
