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

/** Of a process: some 50 MB when it is full. 5,500 requests in each second fill it. */
const MOST_PROOFS = 500_000
const KEPT_MS = (PROOF_WINDOW.pastSeconds + PROOF_WINDOW.futureSeconds) * 1000
const STEP_MS = 10_000
/** The step that is under way, as many before it as proofs can have been used in, and one more. */
const STEPS = KEPT_MS / STEP_MS + 2
/** An hour: a clock that was wrong by years and is corrected must not keep what was used until then. */
const MOST_STEPS = 360

/** The proofs that were used in one step of time. */
interface Step {
  readonly number: number
  readonly names: Set<string>
  /** The latest time of the day in it, in milliseconds since the epoch. */
  latestMs: number
}

/**
 * The proofs that one process has seen, for as long as they could be used again and up to twenty seconds more. The bound is hard: when it
 * is reached, proofs are refused (503) rather than forgotten. For several replicas there is Redis.
 *
 * One set for each step of time, dropped whole: a table from which the oldest are deleted one by one costs the more the fuller it is, since
 * V8 keeps the places of what was deleted, and passes over them. Steps are counted by a clock that nobody sets; none is dropped before the
 * time of the day, by which proofs end, has passed it (where that is set back, old proofs fit again), but for those of an hour ago.
 */
export class MemoryReplays implements Replays {
  readonly #nowMs: () => number
  readonly #todayMs: () => number
  readonly #most: number
  /** The newest last. */
  #steps: Step[] = []

  /** `most` and the clocks are for tests: `nowMs` is monotonic, `todayMs` in milliseconds since the epoch. */
  constructor (most = MOST_PROOFS, nowMs = (): number => performance.now(), todayMs = Date.now) {
    this.#most = most
    this.#nowMs = nowMs
    this.#todayMs = todayMs
  }

  get size (): number {
    return this.#steps.reduce((size, { names }) => size + names.size, 0)
  }

  firstUse (name: string): boolean {
    const { names } = this.#stepOf(Math.floor(this.#nowMs() / STEP_MS), this.#todayMs())
    if (this.#steps.some((one) => one.names.has(name))) return false
    if (this.size >= this.#most) {
      throw new Unavailable('replays_unavailable', 1, { detail: `${this.#most} proofs in ${STEPS * STEP_MS / 1000} s` })
    }
    names.add(name)
    return true
  }

  #stepOf (number: number, todayMs: number): Step {
    const newest = this.#steps.at(-1)
    if (newest?.number === number) {
      newest.latestMs = Math.max(newest.latestMs, todayMs)
      return newest
    }
    const step = { number, names: new Set<string>(), latestMs: todayMs }
    this.#steps = [...this.#steps.filter((one) => isKept(one, step)), step]
    return step
  }
}

function isKept ({ number, latestMs }: Step, newest: Step): boolean {
  const age = newest.number - number
  return age < STEPS || (age < MOST_STEPS && latestMs + KEPT_MS > newest.latestMs)
}
