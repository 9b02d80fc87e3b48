import { copiedText } from './copied-text.ts'
import { EntryList, type Entry } from './entry-list.ts'
import { heldBytes } from './held-bytes.ts'
import type { VerificationKey } from './key-set.ts'
import type { Claims, Principal } from './principal.ts'
import { TokenIndex } from './token-index.ts'

/** Fixed, and each one shown by a test. */
export const CACHE_LIMITS = {
  /** Of the whole bound, for tokens that were not yet looked up a second time. */
  newcomersShare: 0.1,
  /** How many used residents one eviction may pass over, so that it does not go round them all. */
  secondChances: 16,
  /** One visit to every entry takes so many sweeps, one in each second: a dead entry leaves within 20 s, and 20 more while others come. */
  sweepsForAll: 20,
  sweepEveryMs: 1_000
} as const

interface Presented {
  readonly token: string
  /** The header that presents it, where it is `Bearer`, one space and the token. */
  readonly text?: string | undefined
  /** Those of the principal, where they are at hand: read from it, they would be frozen. */
  readonly claims?: Claims
}

/**
 * The tokens that were verified, found by characters of their signature and then compared whole. The bound is in bytes and
 * hard. Two lists (S3-FIFO): a newcomer that is never looked up again leaves without touching the tokens in use, so a flood of
 * one-shot tokens cannot flush hot ones. Every operation is O(1), counted over many; a hit moves nothing.
 */
export class TokenCache {
  readonly #capacityBytes: number
  readonly #nowMs: () => number
  readonly #entries = new TokenIndex()
  readonly #newcomers = new EntryList()
  readonly #residents = new EntryList()
  #timer: NodeJS.Timeout | undefined

  /** `nowMs` in milliseconds since the epoch, for the sweeps. */
  constructor (capacityBytes: number, nowMs: () => number = Date.now) {
    this.#capacityBytes = capacityBytes
    this.#nowMs = nowMs
  }

  /** Live entries and those that died lately. */
  get size (): number {
    return this.#entries.size
  }

  /** Estimated bytes held. Never more than the capacity. */
  get bytes (): number {
    return this.#newcomers.bytes + this.#residents.bytes
  }

  /** The principal of a live token: not expired, its key not withdrawn. `text`: as `textOf` gives it, or a header that is the same. */
  get (text: string, nowMs: number): Principal | undefined {
    const entry = this.#entries.find(text)
    if (entry === undefined) return undefined
    if ((nowMs < entry.wholeSeconds * 1000 || nowMs < entry.deadlineMs) && entry.key.alive) {
      if (!entry.used) entry.used = true
      return entry.principal
    }
    this.#remove(entry)
    return undefined
  }

  /**
   * Keeps a verified token. Only the caller knows that it is verified. One that alone is over the bound is not kept. `text` as for `get`,
   * where it is at hand and a part of no other text.
   */
  set ({ token, text, claims }: Presented, principal: Principal, key: VerificationKey, deadlineMs: number): void {
    const bytes = heldBytes(token, principal, claims)
    if (bytes > this.#capacityBytes * CACHE_LIMITS.newcomersShare) return
    const entry: Entry = {
      text: text ?? copiedText(textOf(token)),
      principal,
      key,
      wholeSeconds: Math.floor(deadlineMs / 1000),
      used: false,
      deadlineMs,
      bytes,
      list: undefined,
      before: undefined,
      after: undefined
    }
    const before = this.#entries.set(entry)
    before?.list?.remove(before)
    this.#newcomers.add(entry)
    this.#makeRoom()
    this.#timer ??= setInterval(() => { this.sweep() }, CACHE_LIMITS.sweepEveryMs).unref()
  }

  /** Visits a part of the entries and removes the dead; the timer calls it while there are any. */
  sweep (): void {
    const nowMs = this.#nowMs()
    for (const entry of this.#entries.part(CACHE_LIMITS.sweepsForAll)) {
      if (nowMs >= entry.deadlineMs || !entry.key.alive) this.#remove(entry)
    }
    if (this.#entries.size === 0) this.close()
  }

  /** Stops the timer; it also stops when nothing is kept. */
  close (): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #makeRoom (): void {
    let chances: number = CACHE_LIMITS.secondChances
    while (this.bytes > this.#capacityBytes) {
      const { oldest } = this.#newcomers
      const many = this.#newcomers.bytes > this.#capacityBytes * CACHE_LIMITS.newcomersShare
      if (oldest !== undefined && (chances === 0 || this.#residents.oldest === undefined || many)) this.#pass(oldest)
      else if (!this.#pass(this.#residents.oldest as Entry)) chances--
    }
  }

  /** The oldest of a list leaves; one that was used goes round among the residents instead. True: room was made. */
  #pass (entry: Entry): boolean {
    if (!entry.used || !entry.key.alive) {
      this.#remove(entry)
      return true
    }
    entry.list?.remove(entry)
    entry.used = false
    this.#residents.add(entry)
    return false
  }

  #remove (entry: Entry): void {
    entry.list?.remove(entry)
    this.#entries.delete(entry)
  }
}

/** The header that presents a token, in the spelling of nearly every caller (RFC 6750 §2.1): compared as it is, nothing is copied. */
export function textOf (token: string): string {
  return `Bearer ${token}`
}
