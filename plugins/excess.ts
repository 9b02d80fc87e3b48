import type { Socket } from 'node:net'

/**
 * Of pipelined requests beyond the limit of their connection. Node parses all of what it has read (64 kB) at one go, and keeps a request
 * and a response object for each, with a response or without, until the connection is closed.
 */
export const EXCESS = {
  /** On all connections, about 40 MB: then the one that sends more is cut, whatever is under way. */
  inAll: 16_384,
  /** In one turn of the event loop: then nothing more is read in that turn. */
  perTurn: 512
} as const

export interface Excess {
  /** Requests beyond the limit of their connection. */
  excess: number
}

/** Keeps the memory of requests that get no response within a bound, however many connections send them. */
export class ExcessRequests {
  readonly #open = new Set<Socket>()
  #inAll = 0
  #inTurn = 0
  #isPaused = false

  /** A connection: its requests are counted, and it may have to wait for others. */
  add (socket: Socket, connection: Excess): void {
    this.#open.add(socket)
    let framesOfErrors = 0
    // Node makes an error for each request that the end of its connection cuts off: nobody reads their stacks, which cost more
    // than the rest.
    socket.prependListener('close', () => {
      framesOfErrors = Error.stackTraceLimit
      if (connection.excess > 0) Error.stackTraceLimit = 0
    })
    socket.on('close', () => {
      Error.stackTraceLimit = framesOfErrors
      this.#open.delete(socket)
      this.#inAll -= connection.excess
    })
  }

  /** A request gets no response. Nothing more is read from its connection. */
  count (socket: Socket, connection: Excess): void {
    connection.excess++
    this.#inAll++
    if (this.#inAll > EXCESS.inAll) socket.destroy()
    if (++this.#inTurn === 1) setImmediate(() => this.#endTurn())
    // Once the parser is through: until then every request resumes it.
    if (connection.excess === 1) process.nextTick(() => socket.pause())
    if (this.#inTurn >= EXCESS.perTurn && !this.#isPaused) this.#pauseOthers(socket)
  }

  /** What is closed in this turn is freed at its end only. What others have sent waits in the kernel until then. */
  #pauseOthers (socket: Socket): void {
    this.#isPaused = true
    for (const other of this.#open) {
      if (other === socket || other.isPaused()) continue
      other.pause()
      setImmediate(() => other.resume())
    }
  }

  #endTurn (): void {
    this.#inTurn = 0
    this.#isPaused = false
  }
}
