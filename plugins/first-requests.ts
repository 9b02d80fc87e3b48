import type { Socket } from 'node:net'

/**
 * Connections that were accepted a moment ago and on which nothing has been read. To Node they are idle; a gateway that opens a
 * connection for each request, as to a service that drains, would get a reset in place of the response when the service closes.
 */
export class FirstRequests {
  readonly #acceptedAtMs = new Map<Socket, number>()

  open (socket: Socket): void {
    this.#acceptedAtMs.set(socket, performance.now())
    socket.once('close', () => this.#acceptedAtMs.delete(socket))
  }

  /** Whether a connection that is younger than this may still bring its first request. */
  areExpected (withinMs: number): boolean {
    const since = performance.now() - withinMs
    for (const [{ bytesRead }, acceptedAtMs] of this.#acceptedAtMs) if (bytesRead === 0 && acceptedAtMs > since) return true
    return false
  }

  /** Destroys the connections on which nothing has been read: Node 24 does not count them as idle. */
  closeSilent (): void {
    for (const socket of this.#acceptedAtMs.keys()) if (socket.bytesRead === 0) socket.destroy()
  }
}
