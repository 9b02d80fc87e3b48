import { hash, randomBytes } from 'node:crypto'

/** Who presents a token that is not verified yet: an address, and the client that the token names, unverified. */
export interface Caller {
  readonly address: string
  readonly client: string
}

/** How many lines there are for addresses, and within each for clients. Fixed, so that nobody can make more of them. */
export const LINES = 1_024

/** Callers whose lines are remembered, since a hash costs a twentieth of a signature check. When there are more, all are forgotten. */
const REMEMBERED = 1_024
const LONGEST_REMEMBERED = 200

interface Waiting<T> {
  readonly caller: Caller
  readonly item: T
}

/** Whether an item is not to be served any more; it then leaves its line without using up the turn of the line. */
export type IsOver<T> = (item: T) => boolean

/** What can be waited in: served from the front; the longest part of it loses its oldest when there is no room. */
interface Part<T> {
  readonly length: number
  push: (path: readonly number[], waiting: Waiting<T>) => void
  shift: (isOver: IsOver<T>) => T | undefined
  dropFromLongest: () => T | undefined
  take: (path: readonly number[], caller: Caller) => T[]
}

/**
 * Waiting lines by address and, within one address, by client, served in turn: a caller waits behind its own line only. A keyed hash
 * with a key of this process chooses the line, so that nobody can aim at the line of another; all clients that one address names
 * share the line of that address. Not bounded here: whoever pushes drops when it is too much.
 */
export class FairLines<T> {
  readonly #key = randomBytes(32).toString('hex')
  readonly #paths = new Map<string, readonly number[]>()
  readonly #lines: Part<T> = new Rota(() => new Rota(() => new Line()))

  get length (): number {
    return this.#lines.length
  }

  push (caller: Caller, item: T): void {
    this.#lines.push(this.#pathOf(caller), { caller, item })
  }

  /** The next in turn. */
  shift (isOver: IsOver<T> = () => false): T | undefined {
    return this.#lines.shift(isOver)
  }

  /** Takes out the oldest of the longest line: of the address with most waiting, the client with most waiting. */
  dropFromLongest (): T | undefined {
    return this.#lines.dropFromLongest()
  }

  /** Takes out all that waits for this caller, in order. */
  take (caller: Caller): T[] {
    return this.#lines.take(this.#pathOf(caller), caller)
  }

  #pathOf ({ address, client }: Caller): readonly number[] {
    const network = networkOf(address)
    const name = `${network} ${client}`
    const remembered = this.#paths.get(name)
    if (remembered !== undefined) return remembered
    const path = [this.#hash(network), this.#hash(name)]
    if (name.length > LONGEST_REMEMBERED) return path
    if (this.#paths.size === REMEMBERED) this.#paths.clear()
    this.#paths.set(name, path)
    return path
  }

  #hash (text: string): number {
    return hash('sha256', `${this.#key} ${text}`, 'buffer').readUInt16BE() % LINES
  }
}

/**
 * Parts that are served in turn, each one kept while it is in the turn. A part in which nobody has waited for a whole round comes before
 * all others, once (as in FQ-CoDel, RFC 8290 §4.1.1): a caller with few requests does not wait for those with many.
 */
class Rota<T> implements Part<T> {
  readonly #create: () => Part<T>
  readonly #parts = new Map<number, Part<T>>()
  #fresh: number[] = []
  /** Those that were served; an empty one leaves when its turn comes. */
  #turn: number[] = []
  length = 0

  constructor (create: () => Part<T>) {
    this.#create = create
  }

  push ([at = 0, ...rest]: readonly number[], waiting: Waiting<T>): void {
    let part = this.#parts.get(at)
    if (part === undefined) {
      this.#parts.set(at, part = this.#create())
      this.#fresh.push(at)
    }
    part.push(rest, waiting)
    this.length++
  }

  shift (isOver: IsOver<T>): T | undefined {
    while (this.length > 0) {
      const at = (this.#fresh.shift() ?? this.#turn.shift()) as number
      const part = this.#parts.get(at) as Part<T>
      if (part.length === 0) {
        this.#parts.delete(at)
        continue
      }
      const before = part.length
      const item = part.shift(isOver)
      this.length -= before - part.length
      this.#turn.push(at)
      if (item !== undefined) return item
    }
    return undefined
  }

  dropFromLongest (): T | undefined {
    const longest = this.#longest()
    if (longest === undefined) return undefined
    this.length--
    return longest.dropFromLongest()
  }

  take ([at = 0, ...rest]: readonly number[], caller: Caller): T[] {
    const taken = this.#parts.get(at)?.take(rest, caller) ?? []
    this.length -= taken.length
    return taken
  }

  /** One of them by chance where several are equally long: it must not always be the same caller that makes room. */
  #longest (): Part<T> | undefined {
    let longest: Part<T> | undefined
    let equals = 0
    for (const part of this.#parts.values()) {
      if (part.length === 0 || part.length < (longest?.length ?? 0)) continue
      equals = part.length === longest?.length ? equals + 1 : 1
      if (Math.random() * equals < 1) longest = part
    }
    return longest
  }
}

class Line<T> implements Part<T> {
  #items: Array<Waiting<T>> = []

  get length (): number {
    return this.#items.length
  }

  push (_path: readonly number[], waiting: Waiting<T>): void {
    this.#items.push(waiting)
  }

  shift (isOver: IsOver<T>): T | undefined {
    for (let next = this.#items.shift(); next !== undefined; next = this.#items.shift()) if (!isOver(next.item)) return next.item
    return undefined
  }

  /** The oldest: whoever came last has the most patience left. */
  dropFromLongest (): T | undefined {
    return this.#items.shift()?.item
  }

  take (_path: readonly number[], { address, client }: Caller): T[] {
    const taken = this.#items.filter(({ caller }) => caller.address === address && caller.client === client)
    if (taken.length > 0) this.#items = this.#items.filter((waiting) => !taken.includes(waiting))
    return taken.map(({ item }) => item)
  }
}

/** An IPv4 address, or the first 64 bits of an IPv6 address: what one party has at its disposal (RFC 6177). */
export function networkOf (address: string): string {
  if (!address.includes(':') || address.includes('.')) return address
  const [head = '', tail = ''] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  const gap = 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  return [...groups, ...Array.from({ length: address.includes('::') ? gap : 0 }, () => '0'), ...tail.split(':')].slice(0, 4).join(':')
}
