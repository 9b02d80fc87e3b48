import { ALGORITHMS, type Algorithm } from './algorithms.ts'
import { keyName, type KeySet, type VerificationKey } from './key-set.ts'
import { KeyWithdrawal, type ListedKeys } from './key-withdrawal.ts'

/** Each `kid` once. */
export interface KeyChanges {
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** The keys in use, by `kid` and `alg`. A key that leaves is dead at once, and every cached token of it. */
export class CurrentKeys {
  readonly #keys = new Map<string, VerificationKey>()
  readonly withdrawal = new KeyWithdrawal()
  /** Different keys; one without `alg` counts once. */
  count = 0

  get (kid: string, alg: string): VerificationKey | undefined {
    return this.#keys.get(keyName(kid, alg))
  }

  /** Each `kid` once. */
  get kids (): readonly string[] {
    return unique([...this.#keys.values()].map(({ kid }) => kid))
  }

  /** The algorithms for which a `kid` is known. */
  algorithmsOf (kid: string): readonly Algorithm[] {
    return ALGORITHMS.filter((alg) => this.#keys.has(keyName(kid, alg)))
  }

  /**
   * A key with other material replaces the known one at once; one that is listed twice ends at once; one that is missing, by the
   * withdrawal rule.
   */
  accept ({ keys, ambiguous }: KeySet, response: Omit<ListedKeys, 'names'>): KeyChanges {
    const added: string[] = []
    const removed = this.#remove(ambiguous.keys())
    for (const [name, read] of keys) {
      const known = this.#keys.get(name)
      if (known?.pem === read.pem) continue
      removed.push(...this.#remove([name]))
      this.#keys.set(name, { ...read, alive: true })
      added.push(read.kid)
    }
    removed.push(...this.#remove(this.withdrawal.review({ ...response, names: keys })))
    this.#recount()
    return { added: unique(added), removed: unique(removed) }
  }

  /** Removes the keys whose withdrawal could not be confirmed in time; returns their `kid`s. */
  end (nowMs: number): readonly string[] {
    return this.#removeAll(this.withdrawal.end(nowMs))
  }

  clear (): readonly string[] {
    return this.#removeAll([...this.#keys.keys()])
  }

  #removeAll (names: readonly string[]): readonly string[] {
    const removed = unique(this.#remove(names))
    this.#recount()
    return removed
  }

  #remove (names: Iterable<string>): string[] {
    const kids: string[] = []
    for (const name of names) {
      const key = this.#keys.get(name)
      this.withdrawal.forget(name)
      if (key === undefined) continue
      key.alive = false
      this.#keys.delete(name)
      kids.push(key.kid)
    }
    return kids
  }

  #recount (): void {
    this.count = new Set([...this.#keys.values()].map(({ kid, pem }) => `${kid} ${pem}`)).size
  }
}

function unique (kids: readonly string[]): readonly string[] {
  return [...new Set(kids)]
}
