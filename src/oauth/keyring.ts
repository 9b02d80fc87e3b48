import { SYSTEM_CLOCK, type Clock } from './clock.ts'
import { InvalidToken, Unavailable, type Refusal } from './errors.ts'
import { KeyRefresh, type KeyringEvents } from './key-refresh.ts'
import type { FetchKeySet, WantedKey } from './key-set-source.ts'
import type { VerificationKey } from './key-set.ts'
import { printable } from './printable.ts'
import { UNKNOWN_KEY_LIMITS, UnknownKeyBudget } from './unknown-key-budget.ts'

export type { KeyringEvents } from './key-refresh.ts'

export interface KeyringOptions {
  readonly fetchKeySet: FetchKeySet
  readonly refreshSeconds: number
  readonly maxStaleHours: number
  readonly events?: KeyringEvents
  readonly clock?: Clock
}

export interface KeyringState {
  readonly knownKeys: number
  readonly available: boolean
  /** Since the key set was last read; undefined before the first time. */
  readonly ageMs: number | undefined
  /** Why the last fetch failed; undefined while the issuer is available. */
  readonly error: string | undefined
}

/**
 * The keys of one issuer, over a port that fetches the whole key set. The last good set is kept until a well-formed one replaces it; a
 * key that the issuer no longer lists is withdrawn (KeyWithdrawal).
 */
export class Keyring {
  readonly #clock: Clock
  readonly #refresh: KeyRefresh
  readonly #budget: UnknownKeyBudget
  #waiting = 0

  constructor ({ clock = SYSTEM_CLOCK, events = {}, ...options }: KeyringOptions) {
    this.#clock = clock
    this.#refresh = new KeyRefresh({ ...options, clock, events })
    this.#budget = new UnknownKeyBudget(clock.nowMs())
  }

  /** How often the key set was fetched. */
  get fetches (): number {
    return this.#refresh.fetches
  }

  /** The ids of the keys in use. */
  get kids (): readonly string[] {
    return this.#refresh.current.kids
  }

  /** Fetches for the first time, and from then on ahead of need. Resolves with the first outcome, good or bad. */
  start (): Promise<void> {
    return this.#refresh.fetch()
  }

  stop (): void {
    this.#refresh.stop()
  }

  /** Resolves when no fetch is under way. */
  async settled (): Promise<void> {
    await this.#refresh.flight
  }

  state (): KeyringState {
    this.#refresh.expire()
    const { current, isAvailable, goodAtMs, outage } = this.#refresh
    const ageMs = goodAtMs === -Infinity ? undefined : this.#clock.nowMs() - goodAtMs
    return { knownKeys: current.count, available: isAvailable, ageMs, error: outage?.error }
  }

  /**
   * The key that a token's header names. At once when it is known; an unknown one is fetched, within a budget that all unknown keys share
   * and a bounded wait. Throws InvalidToken (`key_unknown`, `algorithm_mismatch`), or Unavailable when the issuer does not respond.
   */
  key (kid: string, alg: string): VerificationKey | Promise<VerificationKey> {
    this.#refresh.expire()
    const known = this.#refresh.current.get(kid, alg)
    if (known !== undefined) return known
    if (this.#waiting >= UNKNOWN_KEY_LIMITS.waiting) throw this.#unknown(kid, alg)
    return this.#wait(kid, alg)
  }

  /** While no key is known: the refusal of every token that can be decoded, whoever issued it. */
  refusalWithoutKeys (): Unavailable | undefined {
    return this.state().knownKeys === 0 ? this.#unavailable() : undefined
  }

  /** Never longer than the bound, whatever time-out a fetch has. */
  #wait (kid: string, alg: string): Promise<VerificationKey> {
    const begunAtMs = this.#clock.nowMs()
    this.#waiting++
    return new Promise<VerificationKey>((resolve, reject) => {
      const cancel = this.#clock.after(UNKNOWN_KEY_LIMITS.waitMs, () => {
        reject(this.#refresh.goodAtMs > begunAtMs ? this.#unknown(kid, alg) : this.#unavailable())
      })
      void this.#search(kid, alg).then(resolve, reject).finally(cancel)
    }).finally(() => { this.#waiting-- })
  }

  async #search (kid: string, alg: string): Promise<VerificationKey> {
    const refresh = this.#refresh
    // A fetch that was under way before the question may have missed the key: one of its own after it.
    await refresh.flight
    // A second one, over another connection: of several nodes behind one address, one may list a new key before the other.
    for (let fetches = 0; ; fetches++) {
      const key = refresh.current.get(kid, alg)
      if (key !== undefined) return key
      if (fetches === UNKNOWN_KEY_LIMITS.burst || (refresh.flight === undefined && !this.#mayFetch())) throw this.#unknown(kid, alg)
      await (refresh.flight ?? refresh.fetch({ kid, alg, newConnection: true }))
    }
  }

  #unknown (kid: string, alg: string): Refusal {
    if (!this.#refresh.isAvailable) return this.#unavailable()
    const algorithms = this.#refresh.current.algorithmsOf(kid)
    if (algorithms.length === 0) return new InvalidToken('key_unknown', `kid ${printable(kid)}`)
    return new InvalidToken('algorithm_mismatch', `alg ${alg}, the key ${printable(kid)} is for ${algorithms.join(' ')}`)
  }

  /** A caller may retry when the next fetch has begun. */
  #unavailable (): Unavailable {
    const { flight, nextAtMs } = this.#refresh
    const seconds = flight === undefined ? Math.ceil((nextAtMs - this.#clock.nowMs()) / 1_000) : 1
    return new Unavailable('issuer_unavailable', Math.max(1, seconds))
  }

  /** In an outage the retries alone decide. A spent budget fetches automatically when it may again, so that a new key is learnt. */
  #mayFetch (): boolean {
    const refresh = this.#refresh
    if (refresh.stopped || !refresh.isAvailable) return false
    if (this.#budget.take(this.#clock.nowMs())) return true
    const { nextAtMs } = this.#budget
    if (nextAtMs < refresh.nextAtMs) refresh.fetchAt(nextAtMs, () => this.#mayFetch() ? UNKNOWN_IN_GENERAL : undefined)
    return false
  }
}

/** The fetch of a spent budget, for whichever keys were unknown. */
const UNKNOWN_IN_GENERAL: WantedKey = { kid: '', alg: undefined, newConnection: true }
