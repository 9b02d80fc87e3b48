import type { Entry } from './entry-list.ts'

const SHARDS = 64
/**
 * Counted from the end: within the signature, and not at its very end, where a character holds fewer bits. The first chooses the map,
 * the others are the key in it: 36 bits of a signature that only an issuer can make.
 */
const FIRST = 23
const LAST = 18
/** A prime near the number of characters of base64url. */
const FACTOR = 67

/**
 * Entries by characters of the signature, as a number: a text would have to be hashed at each request. Found is only what is the same
 * text, whole. Several small maps in place of one: V8 copies a whole map when it grows or has lost many, which for a million entries
 * blocks the process for 95 ms.
 */
export class TokenIndex {
  readonly shards: ReadonlyArray<Map<number, Entry>> = Array.from({ length: SHARDS }, () => new Map<number, Entry>())

  get size (): number {
    let size = 0
    for (const shard of this.shards) size += shard.size
    return size
  }

  /** The one entry that may be of this text. It has the same number; whether it is the same text, whole, is for the caller to compare. */
  candidate (text: string): Entry | undefined {
    return this.#shardOf(text).get(numberOf(text))
  }

  /** Returns the entry that has lost its place: of the same text or, by chance once for 10¹⁰ pairs of tokens, of another. */
  set (entry: Entry): Entry | undefined {
    const shard = this.#shardOf(entry.text)
    const key = numberOf(entry.text)
    const before = shard.get(key)
    shard.set(key, entry)
    return before
  }

  /** Only the entry itself, not one that has taken its place. */
  delete (entry: Entry): void {
    const shard = this.#shardOf(entry.text)
    const key = numberOf(entry.text)
    if (shard.get(key) === entry) shard.delete(key)
  }

  /** Each entry once; those that come while it runs may be left out. */
  * values (): Generator<Entry, undefined> {
    for (const shard of this.shards) yield* shard.values()
  }

  #shardOf (text: string): Map<number, Entry> {
    // A text that is too short has no such character: NaN, and with | 0 the first map.
    return this.shards[(text.charCodeAt(text.length - FIRST) | 0) % SHARDS] as Map<number, Entry>
  }
}

/** Of a token, or of a text that ends with it. Another token has the same number by chance, or because somebody made it so. */
export function numberOf (text: string): number {
  const { length } = text
  let key = 0
  for (let at = length - FIRST + 1; at <= length - LAST; at++) key = key * FACTOR + text.charCodeAt(at) | 0
  return key
}
