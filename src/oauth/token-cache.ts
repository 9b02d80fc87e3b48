import type { Principal } from './principal.ts'
import type { VerificationKey } from './key-set.ts'

/** A token that was verified, by which key, until when. */
interface Entry {
  readonly token: string
  readonly principal: Principal
  readonly key: VerificationKey
  /** Milliseconds since the epoch: `exp` and the tolerance. Refused from then on. */
  readonly deadlineMs: number
  readonly bytes: number
  /** Asked for since it came to the head of its queue. */
  used: boolean
}

/** Of the whole bound, for tokens that were not yet asked for a second time. */
const NEWCOMERS_SHARE = 0.1
/** How many used residents one eviction may pass over, so that it does not go round them all. */
const SECOND_CHANCES = 16

/**
 * The tokens that were verified, found by the last characters of their signature and then compared whole. The bound is in bytes and
 * hard. Two queues (S3-FIFO): a newcomer that is never asked for again leaves without touching the tokens in use, so a flood of
 * one-shot tokens cannot flush hot ones. Every operation is O(1), counted over many; a hit moves nothing.
 */
export class TokenCache {
  readonly #capacityBytes: number
  readonly #newcomers = new Map<string, Entry>()
  readonly #residents = new Map<string, Entry>()
  readonly #queues = { newcomers: this.#newcomers, residents: this.#residents }
  readonly #bytes = { newcomers: 0, residents: 0 }

  constructor (capacityBytes: number) {
    this.#capacityBytes = capacityBytes
  }

  /** Live entries and those that have not been asked for since they died. */
  get size (): number {
    return this.#newcomers.size + this.#residents.size
  }

  /** Estimated bytes held. Never more than the capacity. */
  get bytes (): number {
    return this.#bytes.newcomers + this.#bytes.residents
  }

  /** The principal of a live token: not expired, its key not withdrawn. */
  get (token: string, nowMs: number): Principal | undefined {
    const tail = tailOf(token)
    const entry = this.#residents.get(tail) ?? this.#newcomers.get(tail)
    if (entry?.token !== token) return undefined
    if (nowMs < entry.deadlineMs && entry.key.alive) {
      entry.used = true
      return entry.principal
    }
    this.#remove(tail)
    return undefined
  }

  /** Keeps a verified token. Only the caller knows that it is verified. One that alone is over the bound is not kept. */
  set (token: string, principal: Principal, key: VerificationKey, deadlineMs: number): void {
    const tail = tailOf(token)
    const bytes = bytesOf(token)
    if (bytes > this.#capacityBytes * NEWCOMERS_SHARE) return
    this.#remove(tail)
    this.#newcomers.set(tail, { token, principal, key, deadlineMs, bytes, used: false })
    this.#bytes.newcomers += bytes
    let chances = SECOND_CHANCES
    while (this.bytes > this.#capacityBytes) {
      if (this.#newcomers.size > 0 && (chances === 0 || this.#residents.size === 0 || this.#bytes.newcomers > this.#capacityBytes * NEWCOMERS_SHARE)) this.#pass('newcomers')
      else if (!this.#pass('residents')) chances--
    }
  }

  #remove (tail: string): void {
    for (const queue of ['newcomers', 'residents'] as const) {
      const entry = this.#queues[queue].get(tail)
      if (entry !== undefined) this.#leave(queue, tail, entry)
    }
  }

  #leave (queue: Queue, tail: string, { bytes }: Entry): void {
    this.#queues[queue].delete(tail)
    this.#bytes[queue] -= bytes
  }

  /** The oldest of a queue leaves; one that was used goes round among the residents instead. True: room was made. */
  #pass (queue: Queue): boolean {
    const [[tail, entry]] = this.#queues[queue].entries() as unknown as [[string, Entry]]
    this.#leave(queue, tail, entry)
    if (!entry.used || !entry.key.alive) return true
    entry.used = false
    this.#queues.residents.set(tail, entry)
    this.#bytes.residents += entry.bytes
    return false
  }
}

type Queue = 'newcomers' | 'residents'

/** 43 characters of base64url are 256 bits of the signature: 0.7 µs to look up, where the whole token takes 3 µs to hash. */
export function tailOf (token: string): string {
  return token.slice(-43)
}

/** Measured (bench/README.md): the text itself, its parsed claims, and what the principal and the entry cost around them. */
function bytesOf (token: string): number {
  return Math.ceil(token.length * 2.65)
}
