import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'

/** Fixed, and each one shown by a test. */
export const OVERLOAD = {
  /** Requests before the event loop has its turn: a server accepts one connection in a turn, and a probe must not wait for a crowd. */
  perTurnMs: 5,
  /** A request that has waited longer is refused, once the queue was not empty for so long and so many turns: a burst is not overload. */
  waitMs: 150,
  crowdedMs: 500,
  turns: 10,
  /** Waiting at one time, whatever they waited for. */
  waiting: 10_000,
  retryAfterSeconds: 1,
  /** Without a refused request: then the overload is over. */
  quietMs: 1_000
} as const
export type OverloadLimits = { readonly [name in keyof typeof OVERLOAD]: number }

/** A request that waits, and what to do with it. */
interface Waiting {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly sinceMs: number
}

/** An overload that the log has announced. */
interface Announced {
  readonly sinceMs: number
  /** Refused before it. */
  readonly before: number
  readonly timer: NodeJS.Timeout
}

export interface AdmissionOptions {
  readonly limits: OverloadLimits
  readonly log: () => Pick<FastifyBaseLogger, 'info' | 'warn'>
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
  readonly refuse: (request: IncomingMessage, response: ServerResponse) => void
}

const HEALTH = /^\/health\/(?:live|ready)(?:\?|$)/

/**
 * Sheds load. Requests that one turn of the event loop cannot serve wait in one queue, in the order in which they came; the time that they
 * have waited is the signal. Beyond the limit they get 503 with Retry-After, which costs a part of a request, so that those that are
 * served are served in time. Probes of health never wait and are never refused. An idle service pays a look at the clock for a request.
 */
export class Admission {
  /** Requests refused since the start. */
  shed = 0
  readonly #options: AdmissionOptions
  readonly #queue: Waiting[] = []
  #next = 0
  #turnPending = false
  #turnBeganMs = 0
  /** In a row, at whose end requests waited. */
  #crowdedTurns = 0
  #crowdedSinceMs = 0
  #overload: Announced | undefined
  #shedAtMs = 0

  constructor (options: AdmissionOptions) {
    this.#options = options
  }

  /** Requests that wait. */
  get waiting (): number {
    return this.#queue.length - this.#next
  }

  enter (request: IncomingMessage, response: ServerResponse): void {
    const nowMs = performance.now()
    if (!this.#turnPending) this.#begin(nowMs)
    if (this.waiting === 0 && nowMs - this.#turnBeganMs < this.#options.limits.perTurnMs) this.#options.serve(request, response)
    else if (HEALTH.test(request.url ?? '')) this.#options.serve(request, response)
    else if (this.waiting >= this.#options.limits.waiting) this.#shed(request, response, nowMs)
    else this.#queue.push({ request, response, sinceMs: nowMs })
  }

  /** For the end of the process. */
  stop (): void {
    clearInterval(this.#overload?.timer)
  }

  #begin (nowMs: number): void {
    this.#turnPending = true
    this.#turnBeganMs = nowMs
    setImmediate(() => this.#turn())
  }

  /** The end of a turn: what waits is served until the time of the next one is used up. */
  #turn (): void {
    this.#turnPending = false
    if (this.waiting === 0) {
      this.#crowdedTurns = 0
      return
    }
    const beganMs = performance.now()
    if (this.#crowdedTurns++ === 0) this.#crowdedSinceMs = beganMs
    this.#begin(beganMs)
    while (this.waiting > 0 && performance.now() - beganMs < this.#options.limits.perTurnMs) this.#serveNext()
    // The turn that begins now may take as much for requests that arrive in it, when nothing waits any more.
    this.#turnBeganMs = performance.now()
  }

  #serveNext (): void {
    const { request, response, sinceMs } = this.#queue[this.#next++] as Waiting
    if (this.#next === this.#queue.length || this.#next > 1_024) {
      this.#queue.splice(0, this.#next)
      this.#next = 0
    }
    // Nobody waits for the response any more.
    if (response.destroyed) return
    const { waitMs, crowdedMs, turns } = this.#options.limits
    const nowMs = performance.now()
    const isCrowded = nowMs - this.#crowdedSinceMs > crowdedMs && this.#crowdedTurns > turns
    if (isCrowded && nowMs - sinceMs > waitMs) this.#shed(request, response, nowMs)
    else this.#options.serve(request, response)
  }

  #shed (request: IncomingMessage, response: ServerResponse, nowMs: number): void {
    this.shed++
    this.#shedAtMs = nowMs
    this.#overload ??= this.#announce(nowMs)
    this.#options.refuse(request, response)
  }

  /** One line where an overload begins and one where it ends, with the number of refused requests: not one for each of them. */
  #announce (sinceMs: number): Announced {
    const { log, limits } = this.#options
    const { waitMs, quietMs } = limits
    log().warn({ waiting: this.waiting }, `overload: requests that have waited for more than ${waitMs} ms are refused with 503 and Retry-After`)
    const timer = setInterval(() => this.#endIfQuiet(), quietMs).unref()
    return { sinceMs, before: this.shed - 1, timer }
  }

  #endIfQuiet (): void {
    const { log, limits } = this.#options
    if (this.#overload === undefined || performance.now() - this.#shedAtMs < limits.quietMs) return
    const { sinceMs, before, timer } = this.#overload
    clearInterval(timer)
    this.#overload = undefined
    log().info({ refused: this.shed - before, ms: Math.round(this.#shedAtMs - sinceMs) }, 'the overload is over')
  }
}
