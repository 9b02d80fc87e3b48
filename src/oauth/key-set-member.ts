import { createPublicKey, type KeyObject } from 'node:crypto'
import { isAlgorithm, type Algorithm } from './algorithms.ts'
import { printable } from './printable.ts'

/** One public key of the issuer for one signature algorithm. */
export interface PublicKey {
  readonly kid: string
  /** The JWK's own `alg`, or one of those that fit its kind. Compared with the token's header before verification. */
  readonly alg: Algorithm
  /** SPKI in PEM, as the verifier requires it. */
  readonly pem: string
}

/** One member of a key set as read. */
export interface KeyMember {
  /** One for each algorithm that the key can be used with; empty when it is ignored. */
  readonly keys: readonly PublicKey[]
  /** Why the member is ignored, in words; undefined: it is used. */
  readonly ignored: string | undefined
}

type Jwk = Readonly<Record<string, unknown>>

/** A member of a JWK Set (RFC 7517 §5): what cannot be used is ignored, and costs only itself. Not checked: `x5c` and `x5t`. */
export function readKeyMember (member: unknown): KeyMember {
  if (typeof member !== 'object' || member === null) return ignored('not an object')
  const jwk = member as Jwk
  const { kid } = jwk
  if (typeof kid !== 'string' || kid === '') return ignored('without kid')
  const purpose = otherPurpose(jwk)
  if (purpose !== undefined) return ignored(purpose)
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) return ignored('contains a private or secret key')
  const algorithms = algorithmsOf(jwk)
  if (algorithms.length === 0) {
    return ignored(`unsupported: kty ${printable(jwk.kty)}, crv ${printable(jwk.crv)}, alg ${printable(jwk.alg)}`)
  }
  const pem = pemOf(jwk)
  return typeof pem === 'string' ? { keys: algorithms.map((alg) => ({ kid, alg, pem })), ignored: undefined } : ignored(pem.problem)
}

function ignored (why: string): KeyMember {
  return { keys: [], ignored: why }
}

const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

function otherPurpose ({ use, key_ops: operations }: Jwk): string | undefined {
  if ((use ?? 'sig') !== 'sig') return `for another use (use ${printable(use)})`
  if ((operations ?? undefined) === undefined || (Array.isArray(operations) && operations.includes('verify'))) return undefined
  return 'key_ops does not contain "verify"'
}

function pemOf (jwk: Jwk): string | { readonly problem: string } {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    if (jwk.kty === 'RSA' && !isStrongRsa(key)) return { problem: 'an RSA key outside of 2048 to 8192 bits, or with an unusual exponent' }
    return key.export({ type: 'spki', format: 'pem' }).toString()
  } catch {
    return { problem: 'not a valid key' }
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
