import type { Server } from 'node:http'

/** So long a close waits at most for a turn of the event loop without a new connection or request. */
const LONGEST_WAIT_MS = 250

/**
 * Connections that the kernel has accepted and Node has not yet are reset when a server stops to listen: behind a gateway that opens one
 * for each request, one in some thousand. `close` therefore waits for a turn of the event loop in which nothing new was received: what
 * can still be lost is what arrives within the microseconds after it.
 */
export function closeBetweenConnections (server: Server): void {
  const close = server.close.bind(server)
  let received = 0
  const count = (): void => { received++ }
  server.on('connection', count).on('request', count)
  server.close = (callback) => {
    const untilMs = performance.now() + LONGEST_WAIT_MS
    const closeIfQuiet = (before: number): void => {
      if (received === before || performance.now() >= untilMs) close(callback)
      else setImmediate(closeIfQuiet, received)
    }
    setImmediate(closeIfQuiet, -1)
    return server
  }
}
