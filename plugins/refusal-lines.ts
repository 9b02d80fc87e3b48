import type { FastifyBaseLogger } from 'fastify'

const SECOND_MS = 1_000

/** Bounds the lines of the log about refused requests: so many a second for each reason. What is left out is counted, and reported. */
export class RefusalLines {
  readonly #perSecond: number
  readonly #log: () => Pick<FastifyBaseLogger, 'info'>
  /** Lines of this second, by reason. */
  readonly #lines = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined

  constructor (perSecond: number, log: () => Pick<FastifyBaseLogger, 'info'>) {
    this.#perSecond = perSecond
    this.#log = log
  }

  /** Whether a request that is refused for this reason gets a line of its own. `reason` has few values: never one of the request. */
  admit (reason: string): boolean {
    const lines = (this.#lines.get(reason) ?? 0) + 1
    this.#lines.set(reason, lines)
    this.#timer ??= setTimeout(() => this.report(), SECOND_MS).unref()
    return lines <= this.#perSecond
  }

  /** Ends the second: one line for each reason of which requests had none. */
  report (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const [reason, lines] of this.#lines) {
      if (lines > this.#perSecond) {
        this.#log().info({ reason, refused: lines, notLogged: lines - this.#perSecond }, 'refused requests without a line of their own')
      }
    }
    this.#lines.clear()
  }
}
