import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ExcessRequests, type Excess } from './excess.ts'
import { isSentWhole } from './sent-whole.ts'

interface Connection extends Excess {
  underWay: number
  /** The response to the last request that was handled. */
  last: ServerResponse | undefined
  /** Responses to requests that came while another was under way: where the connection ends, Node emits no `close` on those that wait. */
  pipelined: Set<ServerResponse> | undefined
}

export interface UnderWayOptions {
  /** Requests of one connection. */
  readonly most: number
  /** Called with a request whose connection was closed before the response was complete. */
  readonly left: (request: IncomingMessage) => void
  /** The first response beyond the limit of a connection; returns the request id of those that follow. */
  readonly refuse: (request: IncomingMessage, response: ServerResponse) => string
}

/** The requests of each connection that wait for their response (pipelining), within a limit. */
export class RequestsUnderWay {
  readonly #options: UnderWayOptions
  readonly #connections = new WeakMap<Socket, Connection>()
  readonly #excess = new ExcessRequests()
  readonly #released: (this: ServerResponse) => void

  constructor (options: UnderWayOptions) {
    this.#options = options
    const released = (response: ServerResponse): void => this.#release(response)
    this.#released = function () { released(this) }
  }

  /** Whether an open connection has sent more than its limit. */
  get hasExcess (): boolean {
    return this.#excess.inAll > 0
  }

  /** A connection was opened. */
  open (socket: Socket): void {
    const connection: Connection = { underWay: 0, last: undefined, pipelined: undefined, excess: 0, lastExcess: undefined, requestId: '' }
    this.#connections.set(socket, connection)
    this.#excess.add(socket, connection)
    socket.on('close', () => {
      // After the `close` of the response whose turn it was.
      if (connection.pipelined !== undefined) setImmediate(() => this.#leave(connection))
    })
  }

  /** Whether the connection was opened: with TLS, after the handshake. */
  knows (socket: Socket): boolean {
    return this.#connections.has(socket)
  }

  /** Whether a request is within the limit of its connection; one that is not is refused here, and the connection is closed. */
  begin (request: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#connections.get(request.socket) as Connection
    if (connection.excess > 0 || connection.underWay === this.#options.most) {
      if (connection.excess === 0) connection.requestId = this.#options.refuse(request, response)
      this.#excess.refuse(request.socket, connection, response)
      return false
    }
    if (connection.underWay > 0) (connection.pipelined ??= new Set()).add(response)
    connection.underWay++
    connection.last = response
    response.on('close', this.#released)
    return true
  }

  /** Whether no request of the connection is under way. */
  isIdle (socket: Socket): boolean {
    return this.#connections.get(socket)?.underWay === 0
  }

  /** Whether the next bytes on the connection can be the response to a request that cannot be read. */
  isFree (socket: Socket): boolean {
    const connection = this.#connections.get(socket)
    if (connection?.last === undefined) return true
    if (connection.excess > 0) return false
    return connection.underWay === 0 ? connection.last.req.complete : connection.underWay === 1 && !connection.last.headersSent
  }

  /** Of the requests under way, the one whose body was not yet read to its end. */
  unreadOf (socket: Socket): IncomingMessage | undefined {
    const request = this.#connections.get(socket)?.last?.req
    return request?.complete === false ? request : undefined
  }

  #release (response: ServerResponse): void {
    const connection = this.#connections.get(response.req.socket) as Connection
    connection.underWay--
    connection.pipelined?.delete(response)
    if (!isSentWhole(response)) this.#options.left(response.req)
  }

  /** Those that wait still do what they were sent for. */
  #leave ({ pipelined = new Set() }: Connection): void {
    for (const response of [...pipelined]) {
      response.emit('close')
      response.off('close', this.#released)
    }
  }
}
