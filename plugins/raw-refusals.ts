import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import { OVERLOAD } from './overload-limits.ts'
import type { RefusalLines } from './refusal-lines.ts'
import { lineOf, rawProblem, respondRaw, writeRaw, type RawProblem } from './unrouted.ts'

export interface RawRefusalsOptions {
  readonly log: () => Pick<FastifyBaseLogger, 'debug' | 'info'>
  /** Which of the lines about refused requests are written. */
  readonly lines: RefusalLines
  /** Where the folder docs/ is published, for the type of a problem. */
  readonly docsUrl: string | undefined
  /** Whether something can be sent to this caller before or after what is under way: not without a TLS handshake, nor into a response. */
  readonly canSend: (socket: Socket) => boolean
}

/** All that can be; each has its series from the start. */
const STATUSES = [400, 405, 408, 413, 417, 431, 503] as const

/** Refusals before Fastify: where Node would send a bare status, our problem body is sent. */
export class RawRefusals {
  readonly #options: RawRefusalsOptions
  /** By status, since the start; of a connection with too many requests, the first. Those of an overload: Admission. */
  readonly counts = new Map<number, number>(STATUSES.map((status) => [status, 0]))

  constructor (options: RawRefusalsOptions) {
    this.#options = options
  }

  /**
   * Because the process is busy. A crowd of refused callers should not have to connect again (`isKept`). They are counted, and have no
   * lines in the log.
   */
  shed (response: ServerResponse, isKept: boolean): void {
    const headers = { 'retry-after': String(OVERLOAD.retryAfterSeconds), connection: isKept ? 'keep-alive' : 'close' }
    respondRaw(response, rawProblem(503, { headers, docsUrl: this.#options.docsUrl }))
  }

  /** Returns the id of the request, as the response names it. */
  refuse (status: number, request: IncomingMessage, response: ServerResponse, headers: Readonly<Record<string, string>> = {}): string {
    const problem = rawProblem(status, { headers, docsUrl: this.#options.docsUrl })
    respondRaw(response, problem)
    this.#note(problem, lineOf(problem, request.socket, request), 'request')
    return problem.requestId
  }

  /** RFC 9110 §9.3.6: a tunnel is for proxies. No method is allowed on its target. */
  refuseTunnel (request: IncomingMessage, socket: Socket): void {
    const problem = rawProblem(405, { headers: { allow: '' }, docsUrl: this.#options.docsUrl })
    writeRaw(socket, problem)
    this.#note(problem, lineOf(problem, socket, request), 'request')
  }

  /** What the parser refuses, or what was received too slowly. `code`: of Node's `clientError`. */
  refuseUnread (code: string, socket: Socket): void {
    if (code === 'ECONNRESET' || !socket.writable || !this.#options.canSend(socket)) {
      this.#options.log().debug({ code, address: socket.remoteAddress }, 'a connection was reset')
      socket.destroy()
      return
    }
    const problem = rawProblem(STATUS_OF_CLIENT_ERROR[code] ?? 400, { docsUrl: this.#options.docsUrl })
    writeRaw(socket, problem)
    // What it may have sent since then is not read any more.
    if (code === TIMED_OUT) socket.destroySoon()
    this.#note(problem, { ...lineOf(problem, socket), code }, 'a request that cannot be read')
  }

  #note ({ status }: RawProblem, line: Readonly<Record<string, unknown>>, message: string): void {
    this.counts.set(status, (this.counts.get(status) ?? 0) + 1)
    if (this.#options.lines.admit(`status ${status}`)) this.#options.log().info(line, message)
  }
}

const TIMED_OUT = 'ERR_HTTP_REQUEST_TIMEOUT'

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  [TIMED_OUT]: 408
}
