import type { Caller } from './fair-lines.ts'

/** Fixed, and shown by tests. */
export const KNOWN_CALLERS_LIMITS = { callers: 10_000, afterTokenMs: 600_000 } as const

/**
 * The callers at work: a token of this client was verified when this address presented it, and it is valid still or ended in the last
 * ten minutes. Only a genuine token enters, so nobody becomes known by what a token merely says. Bounded: the longest known leave first.
 */
export class KnownCallers {
  readonly #nowMs: () => number
  readonly #untilMs = new Map<string, number>()

  /** Milliseconds since the epoch. */
  constructor (nowMs: () => number) {
    this.#nowMs = nowMs
  }

  add (caller: Caller, tokenEndsMs: number): void {
    const name = nameOf(caller)
    this.#untilMs.delete(name)
    this.#untilMs.set(name, tokenEndsMs + KNOWN_CALLERS_LIMITS.afterTokenMs)
    if (this.#untilMs.size > KNOWN_CALLERS_LIMITS.callers) this.#untilMs.delete(this.#untilMs.keys().next().value as string)
  }

  has (caller: Caller): boolean {
    const name = nameOf(caller)
    const untilMs = this.#untilMs.get(name)
    if (untilMs === undefined) return false
    if (this.#nowMs() < untilMs) return true
    this.#untilMs.delete(name)
    return false
  }
}

function nameOf ({ address, client }: Caller): string {
  return `${address} ${client.slice(0, 200)}`
}
