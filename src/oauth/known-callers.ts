import { networkOf, type Caller } from './fair-lines.ts'
import type { Standing } from './fair-shares.ts'
import { RecentNames } from './recent-names.ts'
import { SeenNames, type Seen } from './seen-names.ts'

/** Fixed, and shown by tests. */
export const KNOWN_CALLERS_LIMITS = { callers: 10_000, afterTokenMs: 600_000, networks: 10_000, suspectMs: 10_000 } as const

/**
 * What is remembered of callers. Known: a token of this client was verified when this address presented it, and it is valid still or
 * ended in the last ten minutes; only a genuine token makes known, so nobody becomes so by what a token merely says. Suspect: a bad
 * signature came from this address in the last ten seconds, and this client has presented no other token, or has sent one. So behind
 * one address, a client that presents tokens again and again is told from a flood that names another client each time. All is bounded.
 */
export class KnownCallers {
  readonly #nowMs: () => number
  readonly #known: RecentNames
  readonly #suspects: RecentNames
  readonly #seen: SeenNames
  #last: Caller = { address: '', client: '' }
  #nameOfLast = nameOf(this.#last)

  /** Milliseconds since the epoch. */
  constructor (nowMs: () => number) {
    this.#nowMs = nowMs
    this.#known = new RecentNames(KNOWN_CALLERS_LIMITS.callers, nowMs)
    this.#suspects = new RecentNames(KNOWN_CALLERS_LIMITS.networks, nowMs)
    this.#seen = new SeenNames(nowMs)
  }

  add (caller: Caller, tokenEndsMs: number): void {
    this.#known.add(this.#nameOf(caller), tokenEndsMs + KNOWN_CALLERS_LIMITS.afterTokenMs)
  }

  suspect (caller: Caller): void {
    this.#suspects.add(networkOf(caller.address), this.#nowMs() + KNOWN_CALLERS_LIMITS.suspectMs)
    this.#seen.markBad(this.#nameOf(caller))
  }

  standingOf (caller: Caller): Standing {
    return this.#standingOf(caller, (name) => this.#seen.stateOf(name))
  }

  /** The same, where a token has to wait; it is a number. The client is then seen with it. */
  arrive (caller: Caller, token: number): Standing {
    return this.#standingOf(caller, (name) => this.#seen.see(name, token))
  }

  /** A token was refused without a check: whoever is no attacker comes back with it. */
  turnAway (caller: Caller): void {
    if (this.#isSuspect(caller)) this.#seen.expect(this.#nameOf(caller))
  }

  #isSuspect ({ address }: Caller): boolean {
    return this.#suspects.has(networkOf(address))
  }

  #standingOf (caller: Caller, seen: (name: string) => Seen): Standing {
    const name = this.#nameOf(caller)
    if (this.#known.has(name)) return 'known'
    return this.#isSuspect(caller) && seen(name) !== 'again' ? 'suspect' : 'new'
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
