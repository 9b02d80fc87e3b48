import type { IncomingMessage } from 'node:http'
import proxyAddr from '@fastify/proxy-addr'
import type { Presented } from '../src/oauth/verification.ts'

const BEARER = /^(?:bearer|dpop) +/i

/** What is known of a token before it is verified. */
interface Tokens {
  presented: (token: string, address: string) => Presented
}

/** Whose request it is, before Fastify reads it: `address` as Fastify's `request.ip`, the client as its token names it. */
export function waitingCallers (trustProxy: readonly string[], tokens: Tokens): (request: IncomingMessage) => Presented {
  const isTrusted = trustProxy.length > 0 ? proxyAddr.compile([...trustProxy]) : undefined
  return (request) => {
    const { headers: { authorization = '' }, socket: { remoteAddress = '' } } = request
    // A connection that was closed meanwhile has no address.
    const address = isTrusted === undefined || remoteAddress === '' ? remoteAddress : proxyAddr(request, isTrusted)
    const scheme = BEARER.exec(authorization)?.[0]
    return scheme === undefined
      ? { caller: { address, client: '' }, standing: 'new' }
      : tokens.presented(authorization.slice(scheme.length), address)
  }
}
