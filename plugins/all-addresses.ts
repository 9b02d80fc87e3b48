import type { Server } from 'node:http'
import type { FastifyInstance } from 'fastify'

/** An application whose `serverFactory` makes these servers listens on every address of `localhost`, and ignores Upgrade on each. */
export function listenOnAllAddresses (app: FastifyInstance, servers: readonly Server[]): void {
  // Fastify opens the further addresses of `localhost` only while the first server says that it does not listen yet.
  Object.defineProperty(app.server, 'listening', { value: false, configurable: true })
  app.addHook('onListen', (next) => {
    Reflect.deleteProperty(app.server, 'listening')
    // Fastify forwards Upgrade to the first server. Without a listener Node treats such a request as any other (RFC 9110 §7.8).
    for (const server of servers) if (server !== app.server) server.removeAllListeners('upgrade')
    next()
  })
}
