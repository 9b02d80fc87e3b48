import buildGetJwks from 'get-jwks'
import { createBoundedFetch, type BoundedResponse } from '../http/bounded-fetch.ts'
import { SYSTEM_CLOCK, type Clock } from './clock.ts'
import { InvalidToken, Unavailable, type Refusal } from './errors.ts'
import { printable } from './printable.ts'
import { KeySetFault, readKeySet, type VerificationKey } from './key-set.ts'

/** Fixed, and each one shown by a test. */
export const KEYRING_LIMITS = {
  fetch: { deadlineMs: 2_000, maxBytes: 64 * 1024 },
  /** Fetches for unknown key ids: so many at once, then one for each interval. */
  unknownKeyBurst: 2,
  unknownKeyIntervalMs: 5_000,
  /** Requests that wait for such a fetch; whoever comes on top is refused at once. */
  unknownKeyWaiting: 256,
  /** While no key is known. */
  firstRetryMs: 250,
  lastRetryMs: 5_000,
  /** Between fetches that fail while keys are known. */
  outageRetryMs: 5_000
} as const

export interface KeyringOptions {
  readonly jwksUrl: string
  readonly refreshSeconds: number
  readonly maxStaleHours: number
  readonly events?: KeyringEvents
  readonly clock?: Clock
}

/** Changes of state, one call for each, not for each request. */
export interface KeyringEvents {
  readonly unavailable?: (fault: string, knownKeys: number) => void
  readonly available?: (afterMs: number) => void
  readonly keysChanged?: (came: readonly string[], went: readonly string[]) => void
  /** The issuer could not be asked for longer than keys may outlive it. */
  readonly keysExpired?: (went: readonly string[]) => void
}

export interface KeyringState {
  readonly knownKeys: number
  readonly available: boolean
  /** Since the key set was last read; undefined before the first time. */
  readonly ageMs: number | undefined
  readonly fault: string | undefined
}

/**
 * The keys of one issuer. get-jwks does the asking, one bounded fetch at a time; the keyring keeps the whole set that came with the
 * answer. The last good set is kept until a well-formed one replaces it; a key that this one does not list is withdrawn.
 */
export class Keyring {
  readonly #options: KeyringOptions
  readonly #clock: Clock
  readonly #fetch = createBoundedFetch(KEYRING_LIMITS.fetch)
  #keys: ReadonlyMap<string, VerificationKey> = new Map()
  #flight: Promise<void> | undefined
  #cancelTimer: () => void = () => undefined
  #startedAtMs = -Infinity
  #goodAtMs: number | undefined
  /** Since the first failure after the last good answer. */
  #outage: { fault: string, readonly sinceMs: number } | undefined
  #failures = 0
  #budget: number = KEYRING_LIMITS.unknownKeyBurst
  #budgetAtMs = 0
  #timerAtMs = Infinity
  #waiting = 0
  #stopped = false
  /** How often the issuer was asked. */
  fetches = 0

  constructor (options: KeyringOptions) {
    this.#options = options
    this.#clock = options.clock ?? SYSTEM_CLOCK
  }

  /** Asks for the first time, and from then on ahead of need. Resolves with the first outcome, good or bad. */
  async start (): Promise<void> {
    this.#budgetAtMs = this.#clock.nowMs()
    await this.#ask('', undefined)
  }

  async stop (): Promise<void> {
    this.#stopped = true
    this.#cancelTimer()
    await this.#fetch.close()
  }

  /** Resolves when no fetch is under way. */
  async settled (): Promise<void> {
    await this.#flight
  }

  state (): KeyringState {
    this.#expire()
    return {
      knownKeys: this.#keys.size,
      available: this.#outage === undefined && this.#goodAtMs !== undefined,
      ageMs: this.#goodAtMs === undefined ? undefined : this.#clock.nowMs() - this.#goodAtMs,
      fault: this.#outage?.fault
    }
  }

  /**
   * The key that a token's header names. At once when it is known; an unknown id is asked for, within a budget that all unknown ids share.
   * Throws InvalidToken (`key_unknown`, `algorithm_mismatch`), or Unavailable when the issuer cannot be asked.
   */
  key (kid: string, alg: string): VerificationKey | Promise<VerificationKey> {
    const known = this.#known(kid, alg)
    if (known !== undefined) return known
    if (this.#waiting >= KEYRING_LIMITS.unknownKeyWaiting) throw this.#unknown(kid)
    this.#waiting++
    return this.#learn(kid, alg).finally(() => { this.#waiting-- })
  }

  #known (kid: string, alg: string): VerificationKey | undefined {
    this.#expire()
    const key = this.#keys.get(kid)
    if (key !== undefined && !(key.algorithms as readonly string[]).includes(alg)) {
      throw new InvalidToken('algorithm_mismatch', `alg ${alg}, the key ${printable(kid)} is for ${key.algorithms.join(' ')}`)
    }
    return key
  }

  async #learn (kid: string, alg: string): Promise<VerificationKey> {
    // A fetch that was under way before the question may have missed the key: one of our own after it.
    if (this.#flight !== undefined) {
      await this.#flight
      const key = this.#known(kid, alg)
      if (key !== undefined) return key
    }
    if (this.#flight !== undefined || this.#mayAskForUnknown()) {
      await (this.#flight ?? this.#ask(kid, alg))
      const key = this.#known(kid, alg)
      if (key !== undefined) return key
    }
    throw this.#unknown(kid)
  }

  #unknown (kid: string): Refusal {
    if (this.#outage !== undefined || this.#goodAtMs === undefined) return new Unavailable('issuer_unavailable', this.#retryAfterSeconds())
    return new InvalidToken('key_unknown', `kid ${printable(kid)}`)
  }

  /** While the issuer is unavailable the retries decide alone. A spent budget asks again by itself when it may, so that a new key is learnt. */
  #mayAskForUnknown (): boolean {
    if (this.#stopped || this.#outage !== undefined || this.#goodAtMs === undefined) return false
    const now = this.#clock.nowMs()
    const { unknownKeyBurst, unknownKeyIntervalMs } = KEYRING_LIMITS
    const gained = Math.floor((now - this.#budgetAtMs) / unknownKeyIntervalMs)
    this.#budget = Math.min(unknownKeyBurst, this.#budget + gained)
    this.#budgetAtMs = this.#budget === unknownKeyBurst ? now : this.#budgetAtMs + gained * unknownKeyIntervalMs
    if (this.#budget > 0) {
      this.#budget--
      return true
    }
    const nextAtMs = this.#budgetAtMs + unknownKeyIntervalMs
    if (nextAtMs < this.#timerAtMs) this.#schedule(nextAtMs, () => this.#mayAskForUnknown())
    return false
  }

  #ask (kid: string, alg: string | undefined): Promise<void> {
    this.#cancelTimer()
    this.#timerAtMs = Infinity
    this.#startedAtMs = this.#clock.nowMs()
    this.fetches++
    this.#flight = this.#fetchKeys(kid, alg).then((keys) => this.#accept(keys), (error: unknown) => this.#fail(error)).finally(() => {
      this.#flight = undefined
      this.#scheduleNext()
    })
    return this.#flight
  }

  /** get-jwks asks for one key and keeps the rest of the answer to itself: the bounded exchange has seen it whole. */
  async #fetchKeys (kid: string, alg: string | undefined): Promise<ReadonlyMap<string, VerificationKey>> {
    const { origin, pathname, search } = new URL(this.#options.jwksUrl)
    const { options, response } = this.#fetch.exchange()
    // get-jwks' verdict is about one id; the set decides.
    const asked = buildGetJwks({ jwksPath: pathname + search, fetchOptions: { ...options, headers: { ...options.headers, accept: 'application/json' } } })
      .getJwk({ domain: origin, kid, ...alg !== undefined && { alg } } as { domain: string, alg: string, kid: string })
    return readKeySet(textOf(await response(asked)))
  }

  #accept (keys: ReadonlyMap<string, VerificationKey>): void {
    const now = this.#clock.nowMs()
    const kept = new Map([...keys].map(([kid, key]) => [kid, sameKey(this.#keys.get(kid), key) ?? key]))
    const came = [...kept].filter(([kid, key]) => this.#keys.get(kid) !== key).map(([kid]) => kid)
    const went = [...this.#keys].filter(([kid, key]) => kept.get(kid) !== key)
    for (const [, key] of went) key.alive = false
    this.#keys = kept
    this.#goodAtMs = now
    this.#failures = 0
    if (came.length > 0 || went.length > 0) this.#options.events?.keysChanged?.(came, went.map(([kid]) => kid))
    if (this.#outage !== undefined) this.#options.events?.available?.(now - this.#outage.sinceMs)
    this.#outage = undefined
  }

  #fail (error: unknown): void {
    if (this.#stopped) return
    const { message: fault } = error as Error
    this.#failures++
    this.#expire()
    if (this.#outage === undefined) this.#options.events?.unavailable?.(fault, this.#keys.size)
    this.#outage = { fault, sinceMs: this.#outage?.sinceMs ?? this.#startedAtMs }
  }

  /** Known keys outlive an unreachable issuer only for so long. */
  #expire (): void {
    if (this.#keys.size === 0 || this.#goodAtMs === undefined) return
    if (this.#clock.nowMs() - this.#goodAtMs <= Math.max(this.#options.maxStaleHours * 3_600_000, this.#options.refreshSeconds * 2_000)) return
    const went = [...this.#keys.keys()]
    for (const key of this.#keys.values()) key.alive = false
    this.#keys = new Map()
    this.#options.events?.keysExpired?.(went)
  }

  #scheduleNext (): void {
    this.#schedule(this.#startedAtMs + this.#pauseMs(), () => true)
  }

  /** From the start of one fetch to the start of the next, so that a slow failure does not add to it. */
  #pauseMs (): number {
    const { firstRetryMs, lastRetryMs, outageRetryMs } = KEYRING_LIMITS
    const jitter = this.#clock.random()
    if (this.#outage === undefined) return this.#options.refreshSeconds * 1_000 * (0.85 + 0.15 * jitter)
    if (this.#keys.size > 0) return outageRetryMs * (1 + 0.2 * jitter)
    return Math.min(lastRetryMs, firstRetryMs * 2 ** (this.#failures - 1)) * (0.75 + 0.25 * jitter)
  }

  #schedule (atMs: number, mayAsk: () => boolean): void {
    if (this.#stopped) return
    this.#cancelTimer()
    this.#timerAtMs = atMs
    this.#cancelTimer = this.#clock.after(Math.max(0, atMs - this.#clock.nowMs()), () => {
      this.#timerAtMs = Infinity
      if (this.#flight === undefined && mayAsk()) void this.#ask('', undefined)
    })
  }

  #retryAfterSeconds (): number {
    return Math.max(1, Math.ceil(Math.min(KEYRING_LIMITS.lastRetryMs, this.#timerAtMs - this.#clock.nowMs()) / 1_000))
  }
}

function textOf ({ status, headers, text }: BoundedResponse): string {
  if (status !== 200) throw new KeySetFault(`status ${status}`)
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== undefined && !/^application\/(?:[\w.-]+\+)?json$/.test(type)) throw new KeySetFault(`content type ${JSON.stringify(type.slice(0, 60))}`)
  return text
}

/** The same key again: the object stays, and with it the cached tokens. */
function sameKey (known: VerificationKey | undefined, read: VerificationKey): VerificationKey | undefined {
  return known?.pem === read.pem && known.algorithms.join() === read.algorithms.join() ? known : undefined
}
