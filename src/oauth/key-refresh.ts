import type { Clock } from './clock.ts'
import { CurrentKeys } from './current-keys.ts'
import { nextFetchAtMs } from './key-fetch-schedule.ts'
import { KeySetError, type FetchKeySet, type WantedKey } from './key-set-source.ts'
import { readKeySet, type KeySet } from './key-set.ts'

export interface KeyRefreshOptions {
  readonly fetchKeySet: FetchKeySet
  readonly refreshSeconds: number
  readonly maxStaleHours: number
  readonly events: KeyringEvents
  readonly clock: Clock
}

/** The end of each fetch, and changes of state, one call for each, not for each request. Keys are named by `kid`. */
export interface KeyringEvents {
  /** A fetch has ended, well or with an error; `knownKeys` are in use now. */
  readonly fetched?: (durationMs: number, knownKeys: number, error: string | undefined) => void
  /** An outage begins, or turns out to be a 404: then the address may be wrong. */
  readonly unavailable?: (error: string, knownKeys: number, status: number | undefined) => void
  readonly available?: (afterMs: number) => void
  /** The first key set. */
  readonly keysLoaded?: (kids: readonly string[]) => void
  readonly keysChanged?: (added: readonly string[], removed: readonly string[]) => void
  /** The set lists two different keys under one `kid` and `alg`: none of them is used. */
  readonly keysAmbiguous?: (kids: readonly string[]) => void
  /** The issuer was unavailable for longer than known keys remain valid. */
  readonly keysExpired?: (removed: readonly string[]) => void
}

interface Outage {
  readonly error: string
  readonly sinceMs: number
  readonly notFound: boolean
}

const REFRESH = { kid: '', alg: undefined } as const

/**
 * Keeps the keys current: one fetch at a time, ahead of need while the issuer is available, and by the schedule of retries while
 * it is not.
 */
export class KeyRefresh {
  readonly current = new CurrentKeys()
  /** The fetch under way. Never rejects. */
  flight: Promise<void> | undefined
  /** When the last good response was received. */
  goodAtMs = -Infinity
  outage: Outage | undefined
  /** When the next fetch begins, unless one is under way. */
  nextAtMs = Infinity
  stopped = false
  fetches = 0
  readonly #options: KeyRefreshOptions
  #cancelFetch: () => void = () => undefined
  #cancelEnd: () => void = () => undefined
  #startedAtMs = -Infinity
  #read: { readonly text: string, readonly set: KeySet } | undefined
  #ambiguous = ''
  #failures = 0
  #retryAfterMs: number | undefined

  constructor (options: KeyRefreshOptions) {
    this.#options = options
  }

  stop (): void {
    this.stopped = true
    this.#cancelFetch()
    this.#cancelEnd()
  }

  get isAvailable (): boolean {
    return this.outage === undefined && this.goodAtMs > -Infinity
  }

  /** Fetches now. Not to be called while a fetch is under way. */
  fetch (wanted: WantedKey = { ...REFRESH, newConnection: this.current.withdrawal.isPending }): Promise<void> {
    this.#cancelFetch()
    this.nextAtMs = Infinity
    const requestedAtMs = this.#startedAtMs = this.#options.clock.nowMs()
    this.fetches++
    this.flight = this.#options.fetchKeySet(wanted)
      .then(({ text }) => this.#accept(text, requestedAtMs, wanted.newConnection))
      .catch((error: unknown) => this.#fail(error as Error, requestedAtMs))
      .finally(() => {
        this.flight = undefined
        this.#scheduleNext()
      })
    return this.flight
  }

  /** Sets the time of the next fetch; what then `wanted` returns decides whether there is one. */
  fetchAt (atMs: number, wanted: () => WantedKey | undefined): void {
    if (this.stopped) return
    const { clock } = this.#options
    this.#cancelFetch()
    this.nextAtMs = atMs
    this.#cancelFetch = clock.after(Math.max(0, Math.ceil(atMs - clock.nowMs())), () => {
      this.nextAtMs = Infinity
      const key = this.flight === undefined ? wanted() : undefined
      if (key !== undefined) void this.fetch(key)
    })
  }

  /** Known keys remain valid only for so long while the issuer is unavailable. */
  expire (): void {
    if (this.current.count === 0) return
    const { maxStaleHours, refreshSeconds, events, clock } = this.#options
    const maxAgeMs = Math.max(maxStaleHours * 3_600_000, refreshSeconds * 2_000)
    if (clock.nowMs() - this.goodAtMs <= maxAgeMs) return
    const removed = this.current.clear()
    events.keysExpired?.(removed)
  }

  #accept (text: string, requestedAtMs: number, newConnection: boolean): void {
    const set = this.#read?.text === text ? this.#read.set : readKeySet(text)
    this.#read = { text, set }
    const { events, clock } = this.#options
    const now = clock.nowMs()
    const { added, removed } = this.current.accept(set, { requestedAtMs, receivedAtMs: now, newConnection })
    if (this.goodAtMs === -Infinity) events.keysLoaded?.(added)
    else if (added.length > 0 || removed.length > 0) events.keysChanged?.(added, removed)
    this.#warnOfAmbiguous(set)
    if (this.outage !== undefined) events.available?.(now - this.outage.sinceMs)
    this.goodAtMs = now
    this.outage = undefined
    this.#failures = 0
    events.fetched?.(now - requestedAtMs, this.current.count, undefined)
  }

  #warnOfAmbiguous ({ ambiguous }: KeySet): void {
    const kids = [...new Set(ambiguous.values())]
    if (kids.length > 0 && kids.join() !== this.#ambiguous) this.#options.events.keysAmbiguous?.(kids)
    this.#ambiguous = kids.join()
  }

  #fail (error: Error, requestedAtMs: number): void {
    if (this.stopped) return
    const { status, retryAfterMs } = error instanceof KeySetError ? error : {}
    this.#failures++
    this.#retryAfterMs = retryAfterMs
    this.current.withdrawal.fetchFailed(requestedAtMs)
    this.expire()
    const { outage } = this
    const { events, clock } = this.#options
    events.fetched?.(clock.nowMs() - requestedAtMs, this.current.count, error.message)
    if (outage === undefined || (status === 404 && !outage.notFound)) events.unavailable?.(error.message, this.current.count, status)
    this.outage = { error: error.message, sinceMs: outage?.sinceMs ?? requestedAtMs, notFound: outage?.notFound === true || status === 404 }
  }

  #scheduleNext (): void {
    const { clock, refreshSeconds } = this.#options
    const regularAtMs = nextFetchAtMs({
      failures: this.#failures,
      keysAreKnown: this.current.count > 0,
      startedAtMs: this.#startedAtMs,
      endedAtMs: clock.nowMs(),
      retryAfterMs: this.#retryAfterMs,
      refreshMs: refreshSeconds * 1_000
    }, clock.random())
    const { withdrawal } = this.current
    this.fetchAt(Math.min(regularAtMs, withdrawal.nextFetchAtMs), () => ({ ...REFRESH, newConnection: withdrawal.isPending }))
    this.#scheduleEnd()
  }

  /** A key whose withdrawal cannot be confirmed ends on time, whether fetches succeed or not. */
  #scheduleEnd (): void {
    this.#cancelEnd()
    const { clock, events } = this.#options
    const { nextEndAtMs } = this.current.withdrawal
    if (this.stopped || nextEndAtMs === Infinity) return
    this.#cancelEnd = clock.after(Math.max(0, Math.ceil(nextEndAtMs - clock.nowMs())), () => {
      const removed = this.current.end(clock.nowMs())
      if (removed.length > 0) events.keysChanged?.([], removed)
      this.#scheduleEnd()
    })
  }
}
