import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto'
import type { Algorithm } from '../algorithms.ts'
import { isObject } from '../rules/rule.ts'

/** Members of private keys (RFC 7518 §6) and of symmetric ones. */
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']
/** RFC 7638 §3.2, RFC 8037 §2: what a thumbprint is made of, in this order. */
const THUMBPRINT_MEMBERS: ReadonlyMap<unknown, readonly string[]> = new Map([
  ['EC', ['crv', 'kty', 'x', 'y']], ['RSA', ['e', 'kty', 'n']], ['OKP', ['crv', 'kty', 'x']]
])
const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }
const RSA_BITS = { least: 2048, most: 4096 } as const
/** 65537 and whatever fits in four bytes: the time of a check grows with the exponent. */
const MOST_EXPONENT_CHARACTERS = 6

export type Jwk = Readonly<Record<string, unknown>>

export function privateMemberOf (jwk: Jwk): string | undefined {
  return PRIVATE_MEMBERS.find((name) => Object.hasOwn(jwk, name))
}

/** What is wrong with the `jwk` of a proof, in words for the log; undefined: it may be a public key. */
export function keyProblem (jwk: unknown): string | undefined {
  if (!isObject(jwk)) return 'jwk is missing or is not an object'
  const members = THUMBPRINT_MEMBERS.get(jwk.kty)
  if (members === undefined) return 'kty'
  const missing = members.find((name) => typeof jwk[name] !== 'string')
  if (missing !== undefined) return missing
  if (jwk.use !== undefined && jwk.use !== 'sig') return 'use'
  if (Array.isArray(jwk.key_ops) && !jwk.key_ops.some((one) => one === 'verify' || one === 'sign')) return 'key_ops'
  return jwk.kty === 'RSA' ? rsaProblem(String(jwk.n), String(jwk.e)) : undefined
}

function rsaProblem (n: string, e: string): string | undefined {
  const modulus = Buffer.from(n, 'base64url')
  if (modulus[0] === 0) return 'n begins with zero'
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24
  if (bits < RSA_BITS.least || bits > RSA_BITS.most) return `RSA of ${bits} bits`
  if (e.length > MOST_EXPONENT_CHARACTERS) return 'e is too large'
  const exponent = numberOf(Buffer.from(e, 'base64url'))
  return exponent < 3n || exponent % 2n === 0n ? 'e is not an odd number from 3 on' : undefined
}

const numberOf = (bytes: Buffer): bigint => BigInt(`0x0${bytes.toString('hex')}`)

const PRIMES: Readonly<Record<string, bigint>> = { Ed25519: 2n ** 255n - 19n, Ed448: 2n ** 448n - 2n ** 224n - 1n }
/** Of a point of order 8 on Ed25519. */
const ORDER_8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n

/** Whether a key of EdDSA is one of the few points of small order (RFC 8032 §5.1, cofactor 8 and 4): anybody can sign for it. */
export function isOfSmallOrder ({ kty, crv, x }: Jwk): boolean {
  const prime = kty === 'OKP' ? PRIMES[String(crv)] : undefined
  if (prime === undefined) return false
  const bytes = Buffer.from(String(x), 'base64url')
  // The last byte is the highest; its highest bit is the sign of the other coordinate.
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) & 0x7f
  const y = numberOf(bytes.reverse()) % prime
  return y <= 1n || y === prime - 1n || (crv === 'Ed25519' && (y === ORDER_8 || y === prime - ORDER_8))
}

/** Whether an algorithm is one of this key (RFC 7518 §3.1, RFC 8037 §3.1). */
export function fits (alg: Algorithm, { kty, crv, alg: own }: Jwk): boolean {
  if (own !== undefined && own !== alg) return false
  if (alg === 'EdDSA') return kty === 'OKP' && (crv === 'Ed25519' || crv === 'Ed448')
  return alg.startsWith('ES') ? kty === 'EC' && crv === CURVES[alg] : kty === 'RSA'
}

/** RFC 7638: SHA-256 in base64url of the members that make the key, in lexicographic order. The key must have no `keyProblem`. */
export function thumbprint (jwk: Jwk): string {
  const members = THUMBPRINT_MEMBERS.get(jwk.kty) as readonly string[]
  return hash('sha256', JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]]))), 'base64url')
}

/** Undefined: the numbers are no key, such as a point that is not on the curve. */
export function publicKeyOf (jwk: Jwk): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return undefined
  }
}

/** RFC 7515 §5.2, RFC 7518 §3: whether `signature` is one of `input`. Signatures of ES algorithms are r and s side by side. */
export function isSigned (alg: Algorithm, key: KeyObject, input: string, signature: Buffer): boolean {
  const bytes = Buffer.from(input)
  if (alg === 'EdDSA') return verify(null, bytes, key, signature)
  const hash = `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) return verify(hash, bytes, { key, dsaEncoding: 'ieee-p1363' }, signature)
  return alg.startsWith('PS')
    ? verify(hash, bytes, { key, padding: 6, saltLength: Number(alg.slice(2)) / 8 }, signature)
    : verify(hash, bytes, key, signature)
}
