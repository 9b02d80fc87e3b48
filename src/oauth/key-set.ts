import { readKeyMember, type PublicKey } from './key-set-member.ts'
import { KeySetError } from './key-set-source.ts'
import { printable } from './printable.ts'

export type { PublicKey } from './key-set-member.ts'

/** A public key in use. */
export interface VerificationKey extends PublicKey {
  /** False once the issuer has withdrawn the key: every cached token of it is dead. Set by the keyring only. */
  alive: boolean
}

/** The signing keys of one JWK Set, each under its `keyName`. */
export interface KeySet {
  readonly keys: ReadonlyMap<string, PublicKey>
  /** Names for which the set lists two different keys, with their `kid`: neither can be used. */
  readonly ambiguous: ReadonlyMap<string, string>
}

/** A larger set is refused whole. */
export const KEY_SET_LIMITS = { maxBytes: 1024 * 1024, maxKeys: 1_000 } as const

/** What identifies a key: `kid` alone does not (RFC 7517 §4.5: equivalent alternatives may share it). */
export function keyName (kid: string, alg: string): string {
  return `${alg} ${kid}`
}

/**
 * Reads the text of a JWK Set (RFC 7517 §5). A member that cannot be used costs only itself: no object, a key for something else, of
 * an unknown kind, weak, private or without `kid`. `alg`, `use` and `key_ops` that are null count as absent. Throws KeySetError.
 * Not checked: `x5c` and `x5t`; trust comes from the address that the set was fetched from.
 */
export function readKeySet (text: string): KeySet {
  const keys = new Map<string, PublicKey>()
  const ambiguous = new Map<string, string>()
  for (const member of membersOf(text)) {
    for (const key of readKeyMember(member).keys) {
      const name = keyName(key.kid, key.alg)
      const other = keys.get(name)
      if (other !== undefined && other.pem !== key.pem) ambiguous.set(name, key.kid)
      keys.set(name, key)
    }
  }
  for (const name of ambiguous.keys()) keys.delete(name)
  if (keys.size === 0) {
    throw new KeySetError(`a key set without a usable signing key${ambiguous.size > 0 ? `: ${twoKeysUnder([...ambiguous.values()])}` : ''}`)
  }
  return { keys, ambiguous }
}

/** In words, for the log. */
export function twoKeysUnder (kids: readonly string[]): string {
  return `two different keys under one kid and alg (${[...new Set(kids)].slice(0, 10).map(printable).join(', ')})`
}

/** The members of a JWK Set as they are. Throws KeySetError. */
export function membersOf (text: string): readonly unknown[] {
  let set: unknown
  try {
    set = JSON.parse(text.replace(/^\uFEFF/, ''))
  } catch {
    throw new KeySetError('a response that is not JSON')
  }
  const keys = typeof set === 'object' && set !== null ? (set as { keys?: unknown }).keys : undefined
  if (!Array.isArray(keys)) throw new KeySetError('a response that is not a key set')
  if (keys.length > KEY_SET_LIMITS.maxKeys) throw new KeySetError(`a key set of ${keys.length} keys, more than ${KEY_SET_LIMITS.maxKeys}`)
  return keys
}
