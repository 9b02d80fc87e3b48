/** Names that are remembered until a time, in a bounded number: beyond it, those that were added longest ago leave. */
export class RecentNames {
  readonly #most: number
  readonly #nowMs: () => number
  readonly #untilMs = new Map<string, number>()

  /** Milliseconds since the epoch. */
  constructor (most: number, nowMs: () => number) {
    this.#most = most
    this.#nowMs = nowMs
  }

  /** A name keeps the latest of its times. */
  add (name: string, untilMs: number): void {
    const present = this.#untilMs.get(name)
    // The usual case, and a Map in which names come and go is made anew again and again.
    if (present !== undefined && present >= untilMs) return
    this.#untilMs.delete(name)
    this.#untilMs.set(name, untilMs)
    if (this.#untilMs.size > this.#most) this.#untilMs.delete(this.#untilMs.keys().next().value as string)
  }

  has (name: string): boolean {
    const untilMs = this.#untilMs.get(name)
    if (untilMs === undefined) return false
    if (this.#nowMs() < untilMs) return true
    this.#untilMs.delete(name)
    return false
  }
}
