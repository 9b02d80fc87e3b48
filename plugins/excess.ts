import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { REQUEST_ID } from './security-headers.ts'

/**
 * Of pipelined requests beyond the limit of their connection. Node parses all of what it has read (64 kB) at one go, and keeps a request
 * and a response object for each until its response is complete, or the connection is closed.
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
  /** The response to the last of them. */
  lastExcess: ServerResponse | undefined
  /** Of all of them: the log has one line. */
  requestId: string
}

/** Keeps the memory of requests beyond the limits of their connections within a bound, however many connections send them. */
export class ExcessRequests {
  /** On all open connections. */
  inAll = 0
  readonly #open = new Set<Socket>()
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
      this.inAll -= connection.excess
    })
  }

  /**
   * Refuses a request, the first of a connection in the caller's own words. Each has its response: a request without one would stay in
   * memory until all other connections have been read in this turn. Nothing more is read from the connection; the last response ends it.
   */
  refuse (socket: Socket, connection: Excess, response: ServerResponse): void {
    if (!response.writableEnded) endBriefly(response, connection.requestId)
    connection.lastExcess = response
    this.inAll++
    if (this.inAll > EXCESS.inAll) socket.destroy()
    if (++this.#inTurn === 1) setImmediate(() => this.#endTurn())
    // Once the parser is through: until then it reads on with every request.
    if (++connection.excess === 1) process.nextTick(() => { endAfterLast(socket, connection) })
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

function endBriefly (response: ServerResponse, requestId: string): void {
  // RFC 9110 §6.6.1: not required of a 5xx.
  response.sendDate = false
  response.writeHead(503, [REQUEST_ID, requestId, 'retry-after', '1', 'content-length', '0']).end()
}

/** `Connection: close` would close it before the responses behind it are complete. Node resumes reading when its output has drained. */
function endAfterLast (socket: Socket, connection: Excess): void {
  const stopReading = (): void => { socket.pause() }
  stopReading()
  socket.on('resume', stopReading)
  connection.lastExcess?.on('finish', () => { socket.destroySoon() })
}
