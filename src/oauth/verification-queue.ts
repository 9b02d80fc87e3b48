import { Unavailable } from './errors.ts'
import { FairLines, type Caller } from './fair-lines.ts'

/** Fixed, and each one shown by a test. */
export const QUEUE_LIMITS = {
  /** Verification before other work has its turn: the check that goes beyond it is the last. */
  perTurnMs: 1,
  /** A turn of the event loop in which other work took less than this had nothing else to do. */
  idleTurnMs: 0.03,
  /** Waiting checks in each of the two shares, and the verification that they are estimated to take: slow algorithms fill it earlier. */
  waiting: 1024,
  waitingMs: 1000,
  retryAfterSeconds: 1
} as const

/** What the queue needs of the process: time, and a call in the next turn of the event loop. Tests hand in another. */
export interface Turns {
  readonly nowMs: () => number
  readonly next: (call: () => void) => void
}

/** A signature check, and on whose behalf. */
export interface Check {
  readonly caller: Caller
  /** A token of this client was verified for this address lately. */
  readonly isKnown: () => boolean
  /** Nobody waits for the outcome any more. */
  readonly isAbandoned: () => boolean
  readonly run: () => void | Promise<void>
}

interface Waiting {
  readonly check: Check
  readonly settle: (outcome: void | Promise<void>) => void
  readonly refuse: (error: unknown) => void
}

const TURNS: Turns = { nowMs: () => performance.now(), next: (call) => { setImmediate(call) } }
/** One pause of the process does not count as the cost of a check. */
const LONGEST_SAMPLE_MS = 10

/**
 * Signature checks block the event loop, and a server accepts one connection in a turn of it. The queue gives checks a bounded time, and
 * then as much to other work as they and their responses took, or until there is none: neither a flood of tokens nor a slow algorithm
 * starves new connections and requests that need no check. Checks that wait do so in fair lines, in two shares that are served
 * in turn: known
 * callers, and all others. Where there is no room, the newest of the longest line gets Unavailable, so a short line always has some.
 */
export class VerificationQueue {
  readonly #turns: Turns
  readonly #known = new FairLines<Waiting>()
  readonly #others = new FairLines<Waiting>()
  #knownIsNext = true
  /** To other work, for the checks that were done. */
  #owedMs = 0
  #turnPending = false
  #turnBeganMs = 0
  /** On checks, since then. */
  #spentMs = 0
  /** Of one check, as measured lately. */
  #averageMs = 0.1

  constructor (turns: Turns = TURNS) {
    this.#turns = turns
  }

  /** How many wait. */
  get length (): number {
    return this.#known.length + this.#others.length
  }

  /** Runs the check now or in a later turn. Rejects with Unavailable when too many wait, or when nobody waits for it any more. */
  async enter (check: Check): Promise<void> {
    if (this.length > 0 || this.#owedMs >= QUEUE_LIMITS.perTurnMs) { await this.#wait(check); return }
    if (check.isAbandoned()) throw unavailable()
    await this.#spend(check)
  }

  async #wait (check: Check): Promise<void> {
    const share = check.isKnown() ? this.#known : this.#others
    const bound = Math.min(QUEUE_LIMITS.waiting, Math.ceil(QUEUE_LIMITS.waitingMs / this.#averageMs))
    return new Promise<void>((settle, refuse) => {
      while (share.length >= bound) share.dropFromLongest()?.refuse(unavailable())
      share.push(check.caller, { check, settle, refuse })
    })
  }

  /** Runs one check, and owes its time to other work. */
  #spend ({ run }: Check): void | Promise<void> {
    const beganMs = this.#turns.nowMs()
    if (!this.#turnPending) this.#awaitTurn(beganMs)
    try {
      return run()
    } finally {
      const tookMs = Math.min(this.#turns.nowMs() - beganMs, LONGEST_SAMPLE_MS)
      this.#spentMs += tookMs
      this.#owedMs += tookMs
      this.#averageMs += (tookMs - this.#averageMs) / 16
    }
  }

  /** Two calls one after the other: what the checks set off, the responses, happens between them. */
  #awaitTurn (nowMs: number): void {
    this.#turnPending = true
    this.#turnBeganMs = nowMs
    this.#spentMs = 0
    this.#turns.next(() => { this.#beginTurn() })
    this.#turns.next(() => { this.#endTurn() })
  }

  #beginTurn (): void {
    const nowMs = this.#turns.nowMs()
    const otherMs = nowMs - this.#turnBeganMs - this.#spentMs
    this.#owedMs = otherMs < QUEUE_LIMITS.idleTurnMs ? 0 : Math.max(0, this.#owedMs - otherMs)
    this.#turnBeganMs = nowMs
    this.#spentMs = 0
    while (this.#owedMs < QUEUE_LIMITS.perTurnMs) {
      const next = this.#next()
      if (next === undefined) return
      if (next.check.isAbandoned()) next.refuse(unavailable())
      else this.#settle(next)
    }
  }

  #endTurn (): void {
    const nowMs = this.#turns.nowMs()
    if (this.#spentMs > 0) this.#owedMs += Math.min(nowMs - this.#turnBeganMs - this.#spentMs, LONGEST_SAMPLE_MS)
    if (this.#owedMs > 0 || this.length > 0) this.#awaitTurn(nowMs)
    else this.#turnPending = false
  }

  #settle ({ check, settle, refuse }: Waiting): void {
    try {
      settle(this.#spend(check))
    } catch (error) {
      refuse(error)
    }
  }

  /** From the two shares in turn; where one has nobody, the other. */
  #next (): Waiting | undefined {
    const [first, second] = this.#knownIsNext ? [this.#known, this.#others] : [this.#others, this.#known]
    this.#knownIsNext = !this.#knownIsNext
    return first.shift() ?? second.shift()
  }
}

function unavailable (): Unavailable {
  return new Unavailable('overloaded', QUEUE_LIMITS.retryAfterSeconds)
}
