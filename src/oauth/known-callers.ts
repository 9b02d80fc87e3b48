import { networkOf, type Caller } from './fair-lines.ts'
import type { Standing } from './fair-shares.ts'
import { RecentNames } from './recent-names.ts'

/** Fixed, and shown by tests. */
export const KNOWN_CALLERS_LIMITS = { callers: 10_000, afterTokenMs: 600_000, networks: 10_000, suspectMs: 10_000 } as const

/**
 * What is remembered of callers. Known: a token of this client was verified when this address presented it, and it is valid still or
 * ended in the last ten minutes; only a genuine token makes known, so nobody becomes so by what a token merely says. Suspect: a bad
 * signature came from this address in the last ten seconds. Both are bounded.
 */
export class KnownCallers {
  readonly #nowMs: () => number
  readonly #known: RecentNames
  readonly #suspects: RecentNames
  #last: Caller = { address: '', client: '' }
  #nameOfLast = nameOf(this.#last)

  /** Milliseconds since the epoch. */
  constructor (nowMs: () => number) {
    this.#nowMs = nowMs
    this.#known = new RecentNames(KNOWN_CALLERS_LIMITS.callers, nowMs)
    this.#suspects = new RecentNames(KNOWN_CALLERS_LIMITS.networks, nowMs)
  }

  add (caller: Caller, tokenEndsMs: number): void {
    this.#known.add(this.#nameOf(caller), tokenEndsMs + KNOWN_CALLERS_LIMITS.afterTokenMs)
  }

  suspect ({ address }: Caller): void {
    this.#suspects.add(networkOf(address), this.#nowMs() + KNOWN_CALLERS_LIMITS.suspectMs)
  }

  standingOf (caller: Caller): Standing {
    if (this.#known.has(this.#nameOf(caller))) return 'known'
    return this.#suspects.has(networkOf(caller.address)) ? 'suspect' : 'new'
  }

  /** Many requests in a row have one caller, or are asked for twice: V8 hashes a text that it has seen once only. */
  #nameOf (caller: Caller): string {
    if (caller.address === this.#last.address && caller.client === this.#last.client) return this.#nameOfLast
    this.#last = caller
    return (this.#nameOfLast = nameOf(caller))
  }
}

function nameOf ({ address, client }: Caller): string {
  return `${address} ${client.slice(0, 200)}`
}
