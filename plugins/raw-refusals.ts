import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { OVERLOAD } from './overload-limits.ts'
import type { RefusalLines } from './refusal-lines.ts'
import { traceIdOf } from './trace-context.ts'
import { rawProblem, respondRaw, writeRaw, type RawProblem } from './unrouted.ts'

export interface RawRefusalsOptions {
  readonly log: () => Pick<FastifyBaseLogger, 'debug' | 'info'>
  /** Which of the lines about refused requests are written. */
  readonly lines: RefusalLines
  /** Where the folder docs/ is published, for the type of a problem. */
  readonly docsUrl: string | undefined
  /** The id of a request whose head was read: of a trusted gateway, or a new one. */
  readonly idOf: (request: IncomingMessage) => string
  /** The request of this connection whose head was read and whose body was not, if there is one. */
  readonly unreadOf: (socket: Socket) => IncomingMessage | undefined
  /** Whether something can be sent to this caller before or after what is under way: not without a TLS handshake, nor into a response. */
  readonly canSend: (socket: Socket) => boolean
}

/** What a line says of a refusal. */
interface Noted {
  readonly status: number
  readonly requestId: string
  readonly address: string | undefined
}

type Line = Readonly<Record<string, unknown>> & { readonly reqId: string }

/** All that can be; each has its series from the start. */
const STATUSES = [400, 405, 408, 413, 417, 431, 503] as const

/** Refusals before Fastify: where Node would send a bare status, our problem body is sent. */
export class RawRefusals {
  readonly #options: RawRefusalsOptions
  /** By status, since the start; of a connection with too many requests, the first. Those of an overload: Admission. */
  readonly counts = new Map<number, number>(STATUSES.map((status) => [status, 0]))
  /** The line of a request that has reached Fastify. */
  lineOfServed: (request: IncomingMessage, status: number) => Line | undefined = () => undefined
  readonly #unread = new WeakSet<Socket>()
  readonly #refused = new WeakSet<IncomingMessage>()

  constructor (options: RawRefusalsOptions) {
    this.#options = options
  }

  /**
   * Because the process is busy. A crowd of refused callers should not have to connect again (`isKept`). They are counted, and have no
   * lines in the log.
   */
  shed (response: ServerResponse, isKept: boolean): void {
    this.#refused.add(response.req)
    const headers = { 'retry-after': String(OVERLOAD.retryAfterSeconds), connection: isKept ? 'keep-alive' : 'close' }
    respondRaw(response, rawProblem(503, { headers, docsUrl: this.#options.docsUrl }))
  }

  /** Returns the id of the request, as the response names it. */
  refuse (status: number, request: IncomingMessage, response: ServerResponse, headers: Readonly<Record<string, string>> = {}): string {
    const problem = this.#problemFor(request, status, headers)
    this.#refused.add(request)
    respondRaw(response, problem)
    this.note({ ...problem, address: request.socket.remoteAddress }, request)
    return problem.requestId
  }

  /** RFC 9110 §9.3.6: a tunnel is for proxies. No method is allowed on its target. */
  refuseTunnel (request: IncomingMessage, socket: Socket): void {
    const problem = this.#problemFor(request, 405, { allow: '' })
    writeRaw(socket, problem)
    this.note({ ...problem, address: socket.remoteAddress }, request)
  }

  /** What the parser refuses, or what was received too slowly. `code`: of Node's `clientError`. */
  refuseUnread (code: string, socket: Socket): void {
    if (code === 'ECONNRESET' || !socket.writable || !this.#options.canSend(socket)) {
      this.#options.log().debug({ code, address: socket.remoteAddress }, 'a connection was reset')
      socket.destroy()
      return
    }
    const { address, status, ...known } = this.#unreadLine(socket, STATUS_OF_CLIENT_ERROR[code] ?? 400)
    const problem = rawProblem(status, { requestId: known.reqId, docsUrl: this.#options.docsUrl })
    this.#unread.add(socket)
    writeRaw(socket, problem)
    // What it may have sent since then is not read any more.
    if (code === TIMED_OUT) socket.destroySoon()
    this.#count(status, { ...known, status, address, code }, 'a request that cannot be read')
  }

  /** The caller of this request has left while it waited, since the process was busy: nobody has refused it. */
  logLeft (request: IncomingMessage, status: number): void {
    const noted = { status, requestId: this.#options.idOf(request), address: request.socket.remoteAddress }
    this.#log(status, this.#lineOf(noted, request), 'request')
  }

  /** Whether it was refused here: then it is counted. */
  wasRefused (request: IncomingMessage): boolean {
    return this.#refused.has(request)
  }

  /** Whether the rest of this request could not be read, and was refused: it is counted, and has its line. */
  wasUnread ({ complete, socket }: IncomingMessage): boolean {
    return !complete && this.#unread.has(socket)
  }

  /** Counts a refused request whose head was read, and writes its line. Sends nothing. */
  note ({ status, requestId, address }: Noted, request: IncomingMessage): void {
    this.#count(status, this.#lineOf({ status, requestId, address }, request), 'request')
  }

  #lineOf ({ status, requestId, address }: Noted, request: IncomingMessage): Line {
    const traceId = traceIdOf(request)
    return { reqId: requestId, method: request.method, route: 'none', status, address, ...traceId !== undefined && { trace_id: traceId } }
  }

  /** As other lines of the same request have it, where its head was read. */
  #unreadLine (socket: Socket, status: number): Line & { readonly status: number, readonly address?: unknown } {
    const address = socket.remoteAddress
    const request = this.#options.unreadOf(socket)
    if (request === undefined) return { reqId: randomUUID(), status, address }
    const line = this.lineOfServed(request, status) ?? this.#lineOf({ status, requestId: this.#options.idOf(request), address }, request)
    return { ...line, status }
  }

  #problemFor (request: IncomingMessage, status: number, headers: Readonly<Record<string, string>>): RawProblem {
    return rawProblem(status, { headers, requestId: this.#options.idOf(request), docsUrl: this.#options.docsUrl })
  }

  #count (status: number, line: Readonly<Record<string, unknown>>, message: string): void {
    this.counts.set(status, (this.counts.get(status) ?? 0) + 1)
    this.#log(status, line, message)
  }

  #log (status: number, line: Readonly<Record<string, unknown>>, message: string): void {
    if (this.#options.lines.admit(`status ${status}`, 'info')) this.#options.log().info(line, message)
  }
}

const TIMED_OUT = 'ERR_HTTP_REQUEST_TIMEOUT'

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  [TIMED_OUT]: 408
}
