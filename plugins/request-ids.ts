import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { REQUEST_ID } from './security-headers.ts'
import { trustedPeer } from './trusted-peer.ts'

/** Printable, without spaces, quotes and commas: a list of ids, as of two headers, is none. */
const ID = /^[A-Za-z0-9!#$%&'*+.^_`|~:=@/-]{1,128}$/

/** For Fastify's `genReqId`: the id that a trusted gateway has given to the request, else one of our own. */
export function requestIds (trustProxy: readonly string[]): (raw: IncomingMessage) => string {
  const isTrusted = trustedPeer(trustProxy)
  return ({ headers, socket }) => {
    const { [REQUEST_ID]: given } = headers
    return typeof given === 'string' && ID.test(given) && isTrusted(socket) ? given : randomUUID()
  }
}
