import type { Principal } from './principal.ts'
import type { VerificationKey } from './key-set.ts'

/**
 * A token that was verified, by which key, until when. In one list at a time. What is read at each request comes first, where it is
 * made: one line of memory holds it.
 */
export interface Entry {
  /** The header that presents it, as nearly every caller writes it: `Bearer` and the token. */
  readonly text: string
  readonly principal: Principal
  readonly key: VerificationKey
  /** Until then it is live in any case. A small integer stands in the entry itself; V8 keeps every other number elsewhere. */
  readonly wholeSeconds: number
  /** Looked up since it became the head of its list. */
  used: boolean
  /** Milliseconds since the epoch: `exp` and the tolerance. Refused from then on. */
  readonly deadlineMs: number
  readonly bytes: number
  list: EntryList | undefined
  before: Entry | undefined
  after: Entry | undefined
}

/**
 * Entries in order of arrival. A list of links, since the oldest must be found in O(1) however many are kept: the first key of a Map
 * takes 90 µs to find where a hundred thousand were deleted before it.
 */
export class EntryList {
  oldest: Entry | undefined
  #newest: Entry | undefined
  bytes = 0

  add (entry: Entry): void {
    entry.list = this
    entry.before = this.#newest
    entry.after = undefined
    if (this.#newest === undefined) this.oldest = entry
    else this.#newest.after = entry
    this.#newest = entry
    this.bytes += entry.bytes
  }

  remove (entry: Entry): void {
    if (entry.before === undefined) this.oldest = entry.after
    else entry.before.after = entry.after
    if (entry.after === undefined) this.#newest = entry.before
    else entry.after.before = entry.before
    entry.list = entry.before = entry.after = undefined
    this.bytes -= entry.bytes
  }
}
