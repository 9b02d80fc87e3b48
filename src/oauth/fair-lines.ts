import { createHmac, randomBytes } from 'node:crypto'

/** Who presents a token that is not verified yet: an address, and the client that the token names, unverified. */
export interface Caller {
  readonly address: string
  readonly client: string
}

/** How many lines there are for addresses, and within each for clients. Fixed, so that nobody can make more of them. */
const ADDRESSES = 256
const CLIENTS = 16

/** What can be waited in: served from the front; the longest part of it loses its newest when there is no room. */
interface Part<T> {
  readonly length: number
  push: (path: readonly number[], item: T) => void
  shift: () => T | undefined
  dropFromLongest: () => T | undefined
}

/**
 * Waiting lines by address and, within one address, by client, served in turn: a caller waits behind its own line only. A keyed hash
 * with a key of this process chooses the line, so that nobody can aim at the line of another; all clients that one address names
 * share the line of that address. Not bounded here: whoever pushes drops when it is too much.
 */
export class FairLines<T> {
  readonly #key = randomBytes(32)
  readonly #lines: Part<T> = new Rota(ADDRESSES, () => new Rota(CLIENTS, () => new Line()))

  get length (): number {
    return this.#lines.length
  }

  push ({ address, client }: Caller, item: T): void {
    const network = networkOf(address)
    this.#lines.push([this.#hash(network) % ADDRESSES, this.#hash(`${network} ${client}`) % CLIENTS], item)
  }

  /** The next in turn. */
  shift (): T | undefined {
    return this.#lines.shift()
  }

  /** Takes out the newest of the longest line: of the address with most waiting, the client with most waiting. */
  dropFromLongest (): T | undefined {
    return this.#lines.dropFromLongest()
  }

  #hash (text: string): number {
    return createHmac('sha256', this.#key).update(text).digest().readUInt16BE()
  }
}

/** Parts that are served in turn, each created when it is first used. */
class Rota<T> implements Part<T> {
  readonly #create: () => Part<T>
  readonly #parts: Array<Part<T> | undefined>
  /** Those in which somebody waits, in the order in which they are served. */
  #turn: Array<Part<T>> = []
  length = 0

  constructor (size: number, create: () => Part<T>) {
    this.#create = create
    this.#parts = Array.from({ length: size }, () => undefined)
  }

  push ([at = 0, ...rest]: readonly number[], item: T): void {
    const part = this.#parts[at] ??= this.#create()
    part.push(rest, item)
    this.length++
    if (part.length === 1) this.#turn.push(part)
  }

  shift (): T | undefined {
    const part = this.#turn.shift()
    if (part === undefined) return undefined
    const item = part.shift()
    this.length--
    if (part.length > 0) this.#turn.push(part)
    return item
  }

  dropFromLongest (): T | undefined {
    let longest = this.#turn[0]
    for (const part of this.#turn) if (part.length > (longest as Part<T>).length) longest = part
    if (longest === undefined) return undefined
    const item = longest.dropFromLongest()
    this.length--
    if (longest.length === 0) this.#turn = this.#turn.filter((part) => part !== longest)
    return item
  }
}

class Line<T> implements Part<T> {
  readonly #items: T[] = []

  get length (): number {
    return this.#items.length
  }

  push (_path: readonly number[], item: T): void {
    this.#items.push(item)
  }

  shift (): T | undefined {
    return this.#items.shift()
  }

  dropFromLongest (): T | undefined {
    return this.#items.pop()
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
