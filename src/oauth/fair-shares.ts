import { FairLines, type Caller, type IsOver } from './fair-lines.ts'

/** What is known of a caller before its token is verified: see KnownCallers. */
export type Standing = 'known' | 'new' | 'suspect'

/** One round: suspects have a turn of five. What known and new callers do not need is first for each other, so that a flood has no more. */
const KNOWN_FIRST: readonly Standing[] = ['known', 'new', 'suspect']
const NEW_FIRST: readonly Standing[] = ['new', 'known', 'suspect']
const SUSPECTS_FIRST: readonly Standing[] = ['suspect', 'known', 'new']
const TURNS = [KNOWN_FIRST, NEW_FIRST, KNOWN_FIRST, NEW_FIRST, SUSPECTS_FIRST]

/**
 * Three shares of fair lines, served in turn: for known callers, for new ones, and for those whose address has sent bad signatures
 * lately.
 * Whatever a flood names and from however many addresses it comes, known callers wait among known callers only, and new ones among
 * those that have not been seen to attack.
 */
export class FairShares<T> {
  readonly #shares: Readonly<Record<Standing, FairLines<T>>> = {
    known: new FairLines<T>(), new: new FairLines<T>(), suspect: new FairLines<T>()
  }

  #next = 0

  get length (): number {
    return this.#shares.known.length + this.#shares.new.length + this.#shares.suspect.length
  }

  /** How many wait in one share. */
  lengthOf (standing: Standing): number {
    return this.#shares[standing].length
  }

  push (caller: Caller, standing: Standing, item: T): void {
    this.#shares[standing].push(caller, item)
  }

  /** From the shares in turn; where nobody waits in one, from the next of that turn. */
  shift (isOver: IsOver<T>): T | undefined {
    for (const standing of TURNS[this.#next] as readonly Standing[]) {
      const item = this.#shares[standing].shift(isOver)
      if (item === undefined) continue
      this.#next = (this.#next + 1) % TURNS.length
      return item
    }
    return undefined
  }

  /** Takes out the oldest of the longest line, of one share or of the longest one. */
  dropFromLongest (standing: Standing = this.#longest()): T | undefined {
    return this.#shares[standing].dropFromLongest()
  }

  /** This caller is known from here on: what it has presented already waits among the known, too. */
  promote (caller: Caller): void {
    for (const standing of ['new', 'suspect'] as const) {
      for (const item of this.#shares[standing].take(caller)) this.#shares.known.push(caller, item)
    }
  }

  #longest (): Standing {
    return KNOWN_FIRST.reduce((longest, standing) => this.lengthOf(standing) > this.lengthOf(longest) ? standing : longest)
  }
}
