import { Unavailable } from './errors.ts'

/** Fixed, and shown by tests. */
export const LANE_LIMITS = { perTurn: 8, waiting: 1024, retryAfterSeconds: 1 } as const

/**
 * Signature checks block the event loop; the lane lets only so many into one turn of it, so that a flood of tokens cannot starve the
 * requests that need none. The others wait in order; beyond the bound they are turned away with Unavailable.
 */
export class VerificationLane {
  readonly #waiting: Array<() => void> = []
  #admitted = 0
  #turnPending = false

  /** Runs the work now or in a later turn; rejects when too many wait. */
  enter<T> (work: () => Promise<T>): Promise<T> {
    if (this.#admitted < LANE_LIMITS.perTurn && this.#waiting.length === 0) {
      this.#admit()
      return work()
    }
    if (this.#waiting.length >= LANE_LIMITS.waiting) return Promise.reject(new Unavailable('overloaded', LANE_LIMITS.retryAfterSeconds))
    return new Promise((resolve) => {
      this.#waiting.push(() => resolve(work()))
    })
  }

  /** How many wait. */
  get length (): number {
    return this.#waiting.length
  }

  #admit (): void {
    this.#admitted++
    if (this.#turnPending) return
    this.#turnPending = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn (): void {
    this.#turnPending = false
    this.#admitted = 0
    for (const start of this.#waiting.splice(0, LANE_LIMITS.perTurn)) {
      this.#admit()
      start()
    }
  }
}
