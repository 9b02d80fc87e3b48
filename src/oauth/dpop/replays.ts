import { hash } from 'node:crypto'
import { Unavailable } from '../errors.ts'
import { PROOF_WINDOW } from './proof-rules.ts'

/** The proofs that were used, so that each is used once (RFC 9449 §11.1). */
export interface Replays {
  /** Whether this is the first use of the proof. Throws or rejects with Unavailable where that cannot be known. */
  firstUse: (name: string) => boolean | Promise<boolean>
}

/** A proof is known by its key and its `jti`, hashed: both are the caller's, and of any length. */
export function nameOfProof (jkt: string, jti: string): string {
  return hash('sha256', `${jkt} ${jti}`, 'base64url')
}

/** Of a process: some 40 MB when it is full. 7,000 requests in each second fill it. */
const MOST_PROOFS = 500_000
const KEPT_MS = (PROOF_WINDOW.pastSeconds + PROOF_WINDOW.futureSeconds) * 1000

/**
 * The proofs that one process has seen, for as long as they could be used again. The bound is hard: when it is reached, proofs are refused
 * (503) rather than forgotten. For several replicas there is Redis.
 */
export class MemoryReplays implements Replays {
  readonly #nowMs: () => number
  readonly #most: number
  /** Name → the end of its time. All are kept equally long, so the first in the map ends first. */
  readonly #used = new Map<string, number>()

  /** `most` and `nowMs` (milliseconds since the epoch) are for tests. */
  constructor (most = MOST_PROOFS, nowMs: () => number = Date.now) {
    this.#most = most
    this.#nowMs = nowMs
  }

  get size (): number {
    return this.#used.size
  }

  firstUse (name: string): boolean {
    const nowMs = this.#nowMs()
    for (const [oldest, endMs] of this.#used) {
      if (nowMs <= endMs) break
      this.#used.delete(oldest)
    }
    if (this.#used.has(name)) return false
    if (this.#used.size >= this.#most) {
      throw new Unavailable('replays_unavailable', 1, { detail: `${this.#most} proofs in ${KEPT_MS / 1000} s` })
    }
    this.#used.set(name, nowMs + KEPT_MS)
    return true
  }
}
