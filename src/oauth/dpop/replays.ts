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

/** Of a process: some 50 MB when it is full. 6,000 requests in each second fill it. */
const MOST_PROOFS = 500_000
const KEPT_MS = (PROOF_WINDOW.pastSeconds + PROOF_WINDOW.futureSeconds) * 1000
const STEP_MS = 10_000
/** The step that is under way, and as many before it as proofs can have been used in. */
const STEPS = KEPT_MS / STEP_MS + 1

/**
 * The proofs that one process has seen, for as long as they could be used again and up to ten seconds more. The bound is hard: when it is
 * reached, proofs are refused (503) rather than forgotten. For several replicas there is Redis.
 *
 * One set for each step of time, dropped whole: a table from which the oldest are deleted one by one costs the more the fuller it is, since
 * V8 keeps the places of what was deleted, and passes over them.
 */
export class MemoryReplays implements Replays {
  readonly #nowMs: () => number
  readonly #most: number
  /** The newest last. */
  #steps: Array<{ readonly step: number, readonly names: Set<string> }> = []

  /** `most` is for tests; `nowMs` is monotonic, so that a clock that is set does not change how long a proof is kept. */
  constructor (most = MOST_PROOFS, nowMs: () => number = () => performance.now()) {
    this.#most = most
    this.#nowMs = nowMs
  }

  get size (): number {
    return this.#steps.reduce((size, { names }) => size + names.size, 0)
  }

  firstUse (name: string): boolean {
    const names = this.#namesOfStep(Math.floor(this.#nowMs() / STEP_MS))
    if (this.#steps.some((one) => one.names.has(name))) return false
    if (this.size >= this.#most) {
      throw new Unavailable('replays_unavailable', 1, { detail: `${this.#most} proofs in ${STEPS * STEP_MS / 1000} s` })
    }
    names.add(name)
    return true
  }

  #namesOfStep (step: number): Set<string> {
    const newest = this.#steps.at(-1)
    if (newest?.step === step) return newest.names
    const names = new Set<string>()
    this.#steps = [...this.#steps.filter((one) => one.step > step - STEPS), { step, names }]
    return names
  }
}
