import { Unavailable } from './errors.ts'
import type { Caller } from './fair-lines.ts'
import { FairShares, type Standing } from './fair-shares.ts'

/** Fixed, and each one shown by a test. */
export const QUEUE_LIMITS = {
  /** Verification before other work has its turn: the check that goes beyond it is the last. */
  perTurnMs: 1,
  /** A turn of the event loop in which other work took less than this had nothing else to do. */
  idleTurnMs: 0.03,
  /** Waiting checks in each of the three shares, and the verification that they are estimated to take: slow algorithms fill it earlier. */
  waiting: 1024,
  waitingMs: 1000,
  /** The same of suspects: most of what they present is refused, and a long queue of it would only make the others among them wait. */
  suspectsWaitingMs: 250,
  /** A check that has waited longer is not done: its caller gets the response within a second, or soon will not wait for it any more. */
  longestWaitMs: 700,
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
  /** When it begins to wait. */
  readonly arrive: () => Standing
  /** From then on. */
  readonly standing: () => Standing
  /** Nobody waits for the outcome any more. */
  readonly isAbandoned: () => boolean
  readonly run: () => void
}

interface Waiting {
  readonly check: Check
  /** In whose share it waits. */
  readonly standing: Standing
  readonly sinceMs: number
  readonly settle: () => void
  readonly refuse: (error: unknown) => void
}

const TURNS: Turns = { nowMs: () => performance.now(), next: (call) => { setImmediate(call) } }
/** One pause of the process does not count as the cost of a check. */
const LONGEST_SAMPLE_MS = 10

/**
 * Signature checks block the event loop, and a server accepts one connection in a turn of it. The queue gives checks a bounded time, and
 * then as much to other work as they and their responses took, or until there is none: neither a flood of tokens nor a slow algorithm
 * starves new connections and requests that need no check. Checks that wait do so in fair lines, in shares that are served in turn:
 * for known callers, new ones and suspects. Where there is no room, the oldest of the longest line gets Unavailable, so a short line always
 * has some.
 */
export class VerificationQueue {
  /** Longer ones in tests, which hold on a busy machine. */
  readonly times: Record<'waitingMs' | 'suspectsWaitingMs' | 'longestWaitMs', number> = { ...QUEUE_LIMITS }
  readonly #turns: Turns
  readonly #shares = new FairShares<Waiting>()
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
    return this.#shares.length
  }

  /** Whether a check would run at once. */
  get isFree (): boolean {
    return this.#owedMs < QUEUE_LIMITS.perTurnMs && this.length === 0
  }

  /** Runs the check now or in a later turn. Rejects with Unavailable when too many wait, or when nobody waits for it any more. */
  async enter (check: Check): Promise<void> {
    if (!this.isFree) return new Promise<void>((settle, refuse) => { this.#wait(check, settle, refuse) })
    if (check.isAbandoned()) throw unavailable()
    this.spend(check.run)
  }

  /** Runs one check now, while the queue is free, and owes its time to other work. */
  spend (run: () => void): void {
    const beganMs = this.#turns.nowMs()
    if (!this.#turnPending) this.#awaitTurn(beganMs)
    try {
      run()
    } finally {
      const tookMs = Math.min(this.#turns.nowMs() - beganMs, LONGEST_SAMPLE_MS)
      this.#spentMs += tookMs
      this.#owedMs += tookMs
      this.#averageMs += (tookMs - this.#averageMs) / 16
    }
  }

  /** This caller is known from here on. */
  promote (caller: Caller): void {
    this.#shares.promote(caller)
  }

  #wait (check: Check, settle: () => void, refuse: (error: unknown) => void): void {
    this.#push({ check, standing: check.arrive(), sinceMs: this.#turns.nowMs(), settle, refuse })
  }

  #push (waiting: Waiting): void {
    const shares = this.#shares
    const { check: { caller }, standing } = waiting
    const waitingMs = standing === 'suspect' ? this.times.suspectsWaitingMs : this.times.waitingMs
    const bound = Math.min(QUEUE_LIMITS.waiting, Math.ceil(waitingMs / this.#averageMs))
    while (shares.lengthOf(standing) >= bound) shares.dropFromLongest(standing)?.refuse(unavailable())
    shares.push(caller, standing, waiting)
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
      const next = this.#shares.shift((waiting) => this.#isOver(waiting, nowMs) || this.#isDemoted(waiting))
      if (next === undefined) return
      this.#settle(next)
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
      this.spend(check.run)
      settle()
    } catch (error) {
      refuse(error)
    }
  }

  /** Nobody waits for it any more, or not long enough. */
  #isOver ({ check, sinceMs, refuse }: Waiting, nowMs: number): boolean {
    const isOver = check.isAbandoned() || nowMs - sinceMs > this.times.longestWaitMs
    if (isOver) refuse(unavailable())
    return isOver
  }

  /** Its caller has become suspect while it waited among new ones: it waits on among suspects. */
  #isDemoted (waiting: Waiting): boolean {
    if (waiting.standing !== 'new' || waiting.check.standing() !== 'suspect') return false
    this.#push({ ...waiting, standing: 'suspect' })
    return true
  }
}

function unavailable (): Unavailable {
  return new Unavailable('overloaded', QUEUE_LIMITS.retryAfterSeconds)
}
