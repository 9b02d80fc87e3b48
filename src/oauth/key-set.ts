import { createPublicKey, type KeyObject } from 'node:crypto'
import { isAlgorithm, type Algorithm } from './algorithms.ts'
import { KeySetError } from './key-set-source.ts'
import { printable } from './printable.ts'

/** One public key of the issuer for one signature algorithm. */
export interface PublicKey {
  readonly kid: string
  /** The JWK's own `alg`, or one of those that fit its kind. Compared with the token's header before verification. */
  readonly alg: Algorithm
  /** SPKI in PEM, as the verifier requires it. */
  readonly pem: string
}

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
    for (const key of publicKeysOf(member)) {
      const name = keyName(key.kid, key.alg)
      const other = keys.get(name)
      if (other !== undefined && other.pem !== key.pem) ambiguous.set(name, key.kid)
      keys.set(name, key)
    }
  }
  for (const name of ambiguous.keys()) keys.delete(name)
  if (keys.size === 0) throw new KeySetError(`a key set without a usable signing key${ambiguous.size > 0 ? `: ${twoKeysUnder([...ambiguous.values()])}` : ''}`)
  return { keys, ambiguous }
}

/** In words, for the log. */
export function twoKeysUnder (kids: readonly string[]): string {
  return `two different keys under one kid and alg (${[...new Set(kids)].slice(0, 10).map(printable).join(', ')})`
}

type Jwk = Readonly<Record<string, unknown>>

function membersOf (text: string): readonly unknown[] {
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

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function publicKeysOf (member: unknown): readonly PublicKey[] {
  if (typeof member !== 'object' || member === null) return []
  const jwk = member as Jwk
  const { kid } = jwk
  if (typeof kid !== 'string' || kid === '' || !isForSignatures(jwk) || PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return []
  const algorithms = algorithmsOf(jwk)
  const pem = algorithms.length > 0 ? pemOf(jwk) : undefined
  return pem === undefined ? [] : algorithms.map((alg) => ({ kid, alg, pem }))
}

function isForSignatures ({ use, key_ops: operations }: Jwk): boolean {
  return (use ?? 'sig') === 'sig' && ((operations ?? undefined) === undefined || (Array.isArray(operations) && operations.includes('verify')))
}

function pemOf (jwk: Jwk): string | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    return jwk.kty === 'RSA' && !isStrongRsa(key) ? undefined : key.export({ type: 'spki', format: 'pem' }).toString()
  } catch {
    return undefined
  }
}

const RSA_ALGORITHMS: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const CURVE_ALGORITHMS: Readonly<Record<string, Algorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }

/** `Ed25519` as the name of an algorithm (RFC 9864) is not known to the verifier: such a key is left out. */
function algorithmsOf ({ kty, crv, alg }: Jwk): readonly Algorithm[] {
  const fitting = fittingAlgorithms(kty, crv)
  if ((alg ?? undefined) === undefined) return fitting
  return isAlgorithm(alg) && fitting.includes(alg) ? [alg] : []
}

function fittingAlgorithms (kty: unknown, crv: unknown): readonly Algorithm[] {
  if (kty === 'RSA') return RSA_ALGORITHMS
  if (kty === 'OKP' && crv === 'Ed25519') return ['EdDSA']
  const algorithm = kty === 'EC' && typeof crv === 'string' && Object.hasOwn(CURVE_ALGORITHMS, crv) ? CURVE_ALGORITHMS[crv] : undefined
  return algorithm === undefined ? [] : [algorithm]
}

/** RFC 7518 §3.3: 2048 bits or more. An enormous key or exponent would make every verification slow. */
function isStrongRsa (key: KeyObject): boolean {
  const { modulusLength, publicExponent } = key.asymmetricKeyDetails as { modulusLength: number, publicExponent: bigint }
  return modulusLength >= 2048 && modulusLength <= 8192 && publicExponent >= 65_537n && publicExponent < 2n ** 32n &&
    publicExponent % 2n === 1n
}
