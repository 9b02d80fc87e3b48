import type { FastifyBaseLogger } from 'fastify'

export interface OverloadReportOptions {
  readonly limits: { readonly waitMs: number, readonly quietMs: number }
  readonly log: () => Pick<FastifyBaseLogger, 'info' | 'warn'>
}

/** An overload that the log has announced. */
interface Announced {
  readonly sinceMs: number
  /** Refused before it. */
  readonly before: number
  readonly timer: NodeJS.Timeout
}

/** One line where an overload begins and one where it ends, with the number of refused requests: not one for each of them. */
export class OverloadReport {
  /** Since the start. */
  refused = 0
  readonly #options: OverloadReportOptions
  #announced: Announced | undefined
  #lastMs = 0

  constructor (options: OverloadReportOptions) {
    this.#options = options
  }

  /** A request is refused while `waiting` others wait. */
  add (waiting: number): void {
    this.refused++
    this.#lastMs = performance.now()
    this.#announced ??= this.#announce(waiting)
  }

  /** For the end of the process. */
  stop (): void {
    clearInterval(this.#announced?.timer)
  }

  #announce (waiting: number): Announced {
    const { log, limits: { waitMs, quietMs } } = this.#options
    log().warn({ waiting }, `overload: requests that have waited for more than ${waitMs} ms are refused with 503 and Retry-After`)
    return { sinceMs: this.#lastMs, before: this.refused - 1, timer: setInterval(() => this.#endIfQuiet(), quietMs).unref() }
  }

  #endIfQuiet (): void {
    const { log, limits: { quietMs } } = this.#options
    if (this.#announced === undefined || performance.now() - this.#lastMs < quietMs) return
    const { sinceMs, before, timer } = this.#announced
    clearInterval(timer)
    this.#announced = undefined
    log().info({ refused: this.refused - before, ms: Math.round(this.#lastMs - sinceMs) }, 'the overload is over')
  }
}
