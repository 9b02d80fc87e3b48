import type { FastifyBaseLogger } from 'fastify'

const SECOND_MS = 1_000

type Level = 'info' | 'warn'

/** Bounds the lines of the log about refused requests: so many a second for each reason. What is left out is counted, and reported. */
export class RefusalLines {
  readonly #perSecond: number
  readonly #log: () => Pick<FastifyBaseLogger, Level>
  /** Of this second, by reason. */
  readonly #lines = new Map<string, { count: number, readonly level: Level }>()
  #timer: NodeJS.Timeout | undefined

  constructor (perSecond: number, log: () => Pick<FastifyBaseLogger, Level>) {
    this.#perSecond = perSecond
    this.#log = log
  }

  /**
   * Whether a request that is refused for this reason gets a line of its own, at this level: where those are written, what is left out is
   * reported. `reason` has few values: never one of the request.
   */
  admit (reason: string, level: Level): boolean {
    const lines = this.#lines.get(reason) ?? { count: 0, level }
    this.#lines.set(reason, lines)
    this.#timer ??= setTimeout(() => this.report(), SECOND_MS).unref()
    return ++lines.count <= this.#perSecond
  }

  /** Ends the second: one line for each reason of which requests had none. */
  report (): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    for (const [reason, { count, level }] of this.#lines) {
      if (count > this.#perSecond) {
        this.#log()[level]({ reason, refused: count, notLogged: count - this.#perSecond }, 'refused requests without a line of their own')
      }
    }
    this.#lines.clear()
  }
}
