import { createPublicKey, type KeyObject } from 'node:crypto'
import { isAlgorithm, type Algorithm } from './algorithms.ts'

/** One public key of the issuer, for signatures only. */
export interface VerificationKey {
  readonly kid: string
  /** The JWK's own `alg` alone; without one, all that fit its kind. Compared with the token's header before verification. */
  readonly algorithms: readonly Algorithm[]
  /** SPKI in PEM, as the verifier wants it. */
  readonly pem: string
  /** False once the issuer has withdrawn the key: every cached token of it is dead. Set by the keyring only. */
  alive: boolean
}

/** An answer that is no key set, or holds no key for us. The message is for the log. */
export class KeySetFault extends Error {
  override readonly name = 'KeySetFault'
}

/**
 * The text of a JWK Set (RFC 7517 §5) → its signing keys by `kid`. Strict: no two keys under one `kid`, and of each key its kind,
 * size and purpose (`use`, `key_ops`, no private members). Keys for something else, of unknown kinds, weak or without `kid` are left out.
 * Not checked: `x5c` and `x5t`; trust comes from the address that the set was fetched from.
 */
export function readKeySet (text: string): ReadonlyMap<string, VerificationKey> {
  const keys = new Map<string, VerificationKey>()
  const seen = new Set<string>()
  for (const jwk of membersOf(text)) {
    if (typeof jwk.kid !== 'string' || jwk.kid === '' || isForEncryption(jwk)) continue
    const key = importKey(jwk, jwk.kid)
    const known = keys.get(jwk.kid)
    if (seen.has(jwk.kid) && known?.pem !== key?.pem) throw new KeySetFault(`two different keys under one kid ${JSON.stringify(jwk.kid.slice(0, 60))}`)
    seen.add(jwk.kid)
    if (key !== undefined) keys.set(jwk.kid, { ...key, algorithms: [...new Set([...known?.algorithms ?? [], ...key.algorithms])] })
  }
  if (keys.size === 0) throw new KeySetFault('a key set without a usable signing key')
  return keys
}

type Jwk = Readonly<Record<string, unknown>>

function membersOf (text: string): readonly Jwk[] {
  let set: unknown
  try {
    set = JSON.parse(text)
  } catch {
    throw new KeySetFault('an answer that is not JSON')
  }
  const keys = typeof set === 'object' && set !== null ? (set as { keys?: unknown }).keys : undefined
  if (!Array.isArray(keys)) throw new KeySetFault('an answer that is not a key set')
  if (!keys.every((key) => typeof key === 'object' && key !== null && !Array.isArray(key))) throw new KeySetFault('a key set with a member that is not a key')
  return keys as Jwk[]
}

function isForEncryption ({ use, key_ops: operations }: Jwk): boolean {
  return (use !== undefined && use !== 'sig') || (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
}

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function importKey (jwk: Jwk, kid: string): VerificationKey | undefined {
  const algorithms = algorithmsOf(jwk)
  if (algorithms.length === 0 || PRIVATE_MEMBERS.some((member) => Object.hasOwn(jwk, member))) return undefined
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    if (jwk.kty === 'RSA' && !isStrongRsa(key)) return undefined
    return { kid, algorithms, pem: key.export({ type: 'spki', format: 'pem' }).toString(), alive: true }
  } catch {
    return undefined
  }
}

const RSA_ALGORITHMS: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const CURVE_ALGORITHMS: Readonly<Record<string, Algorithm>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }

function algorithmsOf ({ kty, crv, alg }: Jwk): readonly Algorithm[] {
  const fitting = fittingAlgorithms(kty, crv)
  if (alg === undefined) return fitting
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
  return modulusLength >= 2048 && modulusLength <= 8192 && publicExponent >= 65_537n && publicExponent < 2n ** 32n && publicExponent % 2n === 1n
}
