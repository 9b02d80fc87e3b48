import type { IncomingMessage, ServerResponse } from 'node:http'
import type { FastifyBaseLogger } from 'fastify'
import type { Caller } from '../src/oauth/fair-lines.ts'
import { FairShares } from '../src/oauth/fair-shares.ts'
import type { Presented } from '../src/oauth/verification.ts'
import type { OverloadLimits } from './overload-limits.ts'
import { OverloadReport } from './overload-report.ts'
import { hasLeft, noteWait, type Waiting } from './waited.ts'

export interface AdmissionOptions {
  readonly limits: OverloadLimits
  readonly log: () => Pick<FastifyBaseLogger, 'info' | 'warn'>
  readonly serve: (request: IncomingMessage, response: ServerResponse) => void
  readonly refuse: (request: IncomingMessage, response: ServerResponse) => void
  /** Whose request it is, for the waiting lines. */
  readonly callerOf: (request: IncomingMessage) => Presented
  /** A request of this suspect was refused. */
  readonly turnedAway: (caller: Caller) => void
  /** Whether connections have sent more requests than their limit: a new one would add as much to what waits. */
  readonly arePipelined: () => boolean
}

/** Of the time of a turn, at most, for requests that have waited too long. */
const REFUSING_SHARE = 0.5

const HEALTH = /^\/health\/(?:live|ready)(?:\?|$)/

/**
 * Sheds load. Requests that one turn of the event loop cannot serve wait in fair lines, by caller; the time that they have waited is the
 * signal. Beyond the limit they get 503 with Retry-After, which costs a part of a request, so that those that are served are served in
 * time. Probes of health never wait and are never refused. An idle service pays a look at the clock for a request.
 */
export class Admission {
  readonly #options: AdmissionOptions
  /** Since the last turn that served, in order: most of them the next one serves, and need no line. */
  #arrived: Waiting[] = []
  readonly #lines = new FairShares<Waiting>()
  /** Those that have waited too long, to be refused in the time of the next turns. */
  readonly #overdue: Waiting[] = []
  #turnPending = false
  #turnBeganMs = 0
  /** In this turn. */
  #hasAccepted = false
  /** In a row. */
  #acceptingTurns = 0
  /** In a row, at whose end requests waited. */
  #crowdedTurns = 0
  #crowdedSinceMs = 0
  /** From then on until nothing waits. */
  #isOverload = false
  readonly #report: OverloadReport

  constructor (options: AdmissionOptions) {
    this.#options = options
    this.#report = new OverloadReport(options)
  }

  /** Requests refused since the start. */
  get shed (): number {
    return this.#report.refused
  }

  /** Requests that wait. */
  get waiting (): number {
    return this.#arrived.length + this.#lines.length + this.#overdue.length
  }

  enter (request: IncomingMessage, response: ServerResponse): void {
    const nowMs = performance.now()
    if (!this.#turnPending) this.#begin(nowMs)
    const isNext = this.waiting === 0 && nowMs - this.#turnBeganMs < this.#options.limits.perTurnMs
    if (isNext || HEALTH.test(request.url ?? '')) this.#options.serve(request, response)
    else this.#wait({ request, response, sinceMs: nowMs, suspect: undefined })
  }

  /** A connection was accepted. */
  accepted (): void {
    this.#hasAccepted = true
  }

  /** For the end of the process. */
  stop (): void {
    this.#report.stop()
  }

  /** Where there is no room, the longest line makes some. */
  #wait (waiting: Waiting): void {
    this.#arrived.push(waiting)
    if (this.waiting <= this.#options.limits.waiting) return
    this.#line(this.#taken())
    const dropped = this.#overdue.shift() ?? this.#lines.dropFromLongest()
    if (dropped !== undefined && !hasLeft(dropped)) this.#shed(dropped)
  }

  #taken (): readonly Waiting[] {
    const arrived = this.#arrived
    this.#arrived = []
    return arrived
  }

  /** Puts requests into the lines of their callers. */
  #line (arrived: readonly Waiting[]): void {
    for (const waiting of arrived) {
      const { caller, standing } = this.#options.callerOf(waiting.request)
      if (standing === 'suspect') waiting.suspect = caller
      this.#lines.push(caller, standing, waiting)
    }
  }

  #begin (nowMs: number): void {
    this.#turnPending = true
    this.#turnBeganMs = nowMs
    setImmediate(() => this.#turn())
  }

  /** The end of a turn: what waits is served until the time of the next one is used up. */
  #turn (): void {
    this.#turnPending = false
    if (this.waiting === 0) {
      this.#crowdedTurns = 0
      this.#isOverload = false
      return
    }
    const beganMs = performance.now()
    const readingMs = beganMs - this.#turnBeganMs
    if (this.#crowdedTurns++ === 0) this.#crowdedSinceMs = beganMs
    this.#begin(beganMs)
    if (this.#isAccepting()) return
    const { perTurnMs, mostPerTurnMs } = this.#options.limits
    const servingMs = Math.max(perTurnMs, Math.min(readingMs, mostPerTurnMs))
    const hasTime = (share: number): boolean => performance.now() - beganMs < servingMs * share
    const arrived = this.#taken()
    if (this.waiting === 0) this.#line(arrived.slice(this.#serveInOrder(arrived, () => hasTime(1))))
    else {
      this.#line(arrived)
      this.#serveLines(beganMs, hasTime)
    }
    // The turn that begins now may take as much for requests that arrive in it, when nothing waits any more.
    this.#turnBeganMs = performance.now()
  }

  #isAccepting (): boolean {
    const { arePipelined, limits } = this.#options
    const mayAccept = this.#hasAccepted && !arePipelined()
    this.#acceptingTurns = mayAccept && this.#acceptingTurns < limits.acceptingTurns ? this.#acceptingTurns + 1 : 0
    this.#hasAccepted = false
    return this.#acceptingTurns > 0
  }

  /** Returns how many were served. */
  #serveInOrder (arrived: readonly Waiting[], hasTime: () => boolean): number {
    let served = 0
    for (const waiting of arrived) {
      if (!hasLeft(waiting)) this.#serve(waiting)
      served++
      if (!hasTime()) break
    }
    return served
  }

  /** However many are to be refused, others are served: otherwise all would wait too long. */
  #serveLines (beganMs: number, hasTime: (share: number) => boolean): void {
    while (this.#overdue.length > 0 && hasTime(REFUSING_SHARE)) this.#refuseNext()
    do this.#serveNext(beganMs)
    while (this.#lines.length > 0 && hasTime(1))
  }

  #refuseNext (): void {
    const overdue = this.#overdue.shift()
    if (overdue !== undefined && !hasLeft(overdue)) this.#shed(overdue)
  }

  #serveNext (nowMs: number): void {
    const { waitMs, crowdedMs, turns, crowd } = this.#options.limits
    const patienceMs = this.waiting > crowd ? crowdedMs / 2 : crowdedMs
    this.#isOverload ||= nowMs - this.#crowdedSinceMs > patienceMs && this.#crowdedTurns > turns
    const next = this.#lines.shift((waiting) => {
      if (hasLeft(waiting)) return true
      const isOver = this.#isOverload && nowMs - waiting.sinceMs > waitMs
      if (isOver) this.#overdue.push(waiting)
      return isOver
    })
    if (next !== undefined) this.#serve(next)
  }

  #serve ({ request, response, sinceMs }: Waiting): void {
    noteWait(request, performance.now() - sinceMs)
    this.#options.serve(request, response)
  }

  #shed ({ request, response, suspect }: Waiting): void {
    this.#report.add(this.waiting)
    if (suspect !== undefined) this.#options.turnedAway(suspect)
    this.#options.refuse(request, response)
  }
}
