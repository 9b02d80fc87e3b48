import type { Server, ServerOptions } from 'node:http'
import type { createServer as createTlsServer } from 'node:https'
import { createServer } from '../src/http/node-http.ts'

/**
 * Of every listener of the API; that of MANAGEMENT_PORT has shorter ones (src/management.ts). The head ends before the body may:
 * otherwise Node swaps the two.
 */
export const LIMITS = {
  headersTimeoutMs: 20_000,
  /** Head and body together. */
  requestTimeoutMs: 30_000,
  checkIntervalMs: 5_000,
  /** Longer than a gateway keeps an idle connection (Caddy: 120 s), so that it is never ours to close under a request. */
  keepAliveTimeoutMs: 130_000,
  /** Without a byte in either direction. */
  connectionTimeoutMs: 140_000,
  /** While the service closes: so long a new connection has for its first request. */
  firstRequestMs: 1_000,
  /** Requests of one connection that wait for their response at one time (pipelining). */
  requestsUnderWay: 64,
  /** Open at one time, on all listeners: beyond it, the connection that has been open longest without a request is closed. */
  connections: 10_000,
  /**
   * Waiting to be accepted, as far as the kernel permits (`net.core.somaxconn`). Node accepts one in a turn of its event loop, and a
   * connection for which there is no room is tried again by its caller after 1 s, then after 3 s.
   */
  backlog: 4_096
} as const
export type Limits = { readonly [name in keyof typeof LIMITS]: number }

/** The listeners' own TLS, in PEM. `createServer` of node:https is handed in: most services are behind a gateway and never load it. */
export interface ListenerTls {
  readonly cert: string
  readonly key: string
  /** Callers are requested to present a certificate. Who signed it does not matter: a token that is bound to it names it. */
  readonly requestCert: boolean
  readonly createServer: typeof createTlsServer
}

/** A server that does not listen yet, with the limits of Node set to ours. */
export function createLimitedServer (limits: Limits, maxHeaderSize: number, tls: ListenerTls | undefined): Server {
  const options = {
    headersTimeout: limits.headersTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: limits.checkIntervalMs,
    maxHeaderSize,
    requireHostHeader: false
  }
  const server: Server = tls === undefined ? createServer(options) : createServerWithTls(tls, options)
  // Node would drop headers after the first 1,000, a second Authorization too; the size of the head bounds them.
  server.maxHeadersCount = 0
  server.setTimeout(limits.connectionTimeoutMs)
  return server
}

function createServerWithTls ({ cert, key, requestCert, createServer: create }: ListenerTls, options: ServerOptions): Server {
  return create({ ...options, cert, key, requestCert, rejectUnauthorized: false })
}
