import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import proxyAddr from '@fastify/proxy-addr'
import { REQUEST_ID } from './security-headers.ts'

/** Printable, without spaces, quotes and commas: a list of ids, as of two headers, is none. */
const ID = /^[A-Za-z0-9!#$%&'*+.^_`|~:=@/-]{1,128}$/

/** For Fastify's `genReqId`: the id that a trusted gateway has given to the request, else one of our own. */
export function requestIds (trustProxy: readonly string[]): (raw: IncomingMessage) => string {
  if (trustProxy.length === 0) return () => randomUUID()
  const isTrusted = proxyAddr.compile([...trustProxy])
  return ({ headers, socket }) => {
    const { [REQUEST_ID]: given } = headers
    // Undefined for a Unix socket, whose peer is a process of this machine, and for a connection that is closed.
    return typeof given === 'string' && ID.test(given) && isTrusted(socket.remoteAddress ?? '', 0) ? given : randomUUID()
  }
}
