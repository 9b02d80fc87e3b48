import type { Entry } from './entry-list.ts'

const SHARDS = 64
/** Of the tail: within the signature, and not at its very end, where a character holds fewer bits. */
const SHARD_CHARACTER = 20

/**
 * Entries by the tail of their token. Several small maps in place of one: V8 copies a whole map when it grows or has lost many, which
 * for a million entries blocks the process for 95 ms.
 */
export class TokenIndex {
  readonly shards: ReadonlyArray<Map<string, Entry>> = Array.from({ length: SHARDS }, () => new Map<string, Entry>())

  get size (): number {
    let size = 0
    for (const shard of this.shards) size += shard.size
    return size
  }

  get (tail: string): Entry | undefined {
    return this.#shardOf(tail).get(tail)
  }

  set (tail: string, entry: Entry): void {
    this.#shardOf(tail).set(tail, entry)
  }

  delete (tail: string): void {
    this.#shardOf(tail).delete(tail)
  }

  /** Each entry once; those that come while it runs may be left out. */
  * values (): Generator<Entry, undefined> {
    for (const shard of this.shards) yield* shard.values()
  }

  #shardOf (tail: string): Map<string, Entry> {
    // A text that is too short has no such character: NaN, and with | 0 the first map.
    return this.shards[(tail.charCodeAt(SHARD_CHARACTER) | 0) % SHARDS] as Map<string, Entry>
  }
}
