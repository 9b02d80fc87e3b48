import type { Socket } from 'node:net'

/** The connections of all listeners, bounded: an idle one has cost its descriptor and about 10 kB for as long as its caller likes. */
export class OpenConnections {
  readonly #open = new Set<Socket>()
  readonly #most: number
  readonly #isIdle: (socket: Socket) => boolean
  /** Closed because of the bound, since the start. */
  closed = 0

  /** `isIdle`: no request of the connection is under way. */
  constructor (most: number, isIdle: (socket: Socket) => boolean) {
    this.#most = most
    this.#isIdle = isIdle
  }

  get count (): number {
    return this.#open.size
  }

  /** Beyond the bound, the connection that has been open longest and is idle is closed: the new one, where all others are in use. */
  add (socket: Socket): void {
    this.#open.add(socket)
    socket.on('close', () => this.#open.delete(socket))
    if (this.#open.size <= this.#most) return
    for (const one of this.#open) {
      if (!this.#isIdle(one)) continue
      this.#open.delete(one)
      this.closed++
      one.destroy()
      return
    }
  }
}
