import type { Socket } from 'node:net'
import proxyAddr from '@fastify/proxy-addr'

/**
 * Whether a connection is from one of these addresses, as Fastify's `trustProxy` reads them. It looks at the peer of the connection and
 * never at `X-Forwarded-For`. False for a Unix socket, whose peer has no address, and for a connection that is closed.
 */
export function trustedPeer (trustProxy: readonly string[]): (socket: Socket) => boolean {
  if (trustProxy.length === 0) return () => false
  const isTrusted = proxyAddr.compile([...trustProxy])
  return ({ remoteAddress }) => remoteAddress !== undefined && isTrusted(remoteAddress, 0)
}
