/** Fixed, and shown by tests. */
export const UNKNOWN_KEY_LIMITS = {
  /** Fetches for unknown keys: so many at once, then one for each interval. */
  burst: 2,
  intervalMs: 5_000,
  /** Requests that wait for such a fetch; any further one is refused at once. */
  waiting: 256,
  /** The longest that a request waits for a key. */
  waitMs: 5_000
} as const

/** How many fetches all unknown keys together may still cause. */
export class UnknownKeyBudget {
  #left: number = UNKNOWN_KEY_LIMITS.burst
  #countedAtMs: number

  constructor (nowMs: number) {
    this.#countedAtMs = nowMs
  }

  /** Takes one fetch from the budget; false when it is spent. */
  take (nowMs: number): boolean {
    const { burst, intervalMs } = UNKNOWN_KEY_LIMITS
    const gained = Math.floor((nowMs - this.#countedAtMs) / intervalMs)
    this.#left = Math.min(burst, this.#left + gained)
    this.#countedAtMs = this.#left === burst ? nowMs : this.#countedAtMs + gained * intervalMs
    if (this.#left === 0) return false
    this.#left--
    return true
  }

  /** When a spent budget allows the next fetch. */
  get nextAtMs (): number {
    return this.#countedAtMs + UNKNOWN_KEY_LIMITS.intervalMs
  }
}
