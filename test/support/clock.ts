import type { Clock } from '../../src/oauth/clock.ts'

/** Time that passes only on request. Timers fire in order; what they start is not waited for. */
export class FakeClock implements Clock {
  #nowMs = 0
  #timers: Array<{ atMs: number, call: () => void }> = []
  jitter = 0.5

  nowMs = (): number => this.#nowMs
  random = (): number => this.jitter

  after = (delayMs: number, call: () => void): (() => void) => {
    const timer = { atMs: this.#nowMs + delayMs, call }
    this.#timers.push(timer)
    return () => { this.#timers = this.#timers.filter((one) => one !== timer) }
  }

  /** Milliseconds until the next timer; undefined when none is set. */
  get nextInMs (): number | undefined {
    const next = Math.min(...this.#timers.map(({ atMs }) => atMs))
    return next === Infinity ? undefined : next - this.#nowMs
  }

  /** Lets time pass; after each timer `settle` waits for what it set going. */
  async pass (ms: number, settle: () => Promise<void> = async () => undefined): Promise<void> {
    const endMs = this.#nowMs + ms
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#nowMs = due.atMs
      this.#timers = this.#timers.filter((one) => one !== due)
      due.call()
      await settle()
    }
    this.#nowMs = endMs
  }
}
