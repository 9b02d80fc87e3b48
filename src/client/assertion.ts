import { constants, createPrivateKey, createPublicKey, KeyObject, randomUUID, sign, verify } from 'node:crypto'
import type { JsonWebKeyInput, SignKeyObjectInput, webcrypto } from 'node:crypto'
import type { AssertionAlgorithm } from './options.ts'

/** A private key that can sign assertions. */
export interface AssertionKey {
  readonly key: KeyObject
  readonly algorithm: AssertionAlgorithm
  readonly keyId: string | undefined
}

export interface KeyChoice {
  readonly clientKeyId: string | undefined
  readonly clientKeyAlgorithm: AssertionAlgorithm | undefined
}

/** What is expected instead of a key that cannot be used; never a piece of the key. */
export class KeyProblem extends Error {}

/** A short life: it is used at once. Clocks that differ by a minute are no problem, since `iat` is not compared strictly. */
const ASSERTION_LIFE_SECONDS = 60

const CURVES: Readonly<Record<string, AssertionAlgorithm>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }
const SHORTEST_RSA_BITS = 2048
const BELONG_TOGETHER = 'a key whose private and public parts belong together'

/** PEM, or JWK as text or as an object. */
export type GivenKey = string | KeyObject | webcrypto.JsonWebKey

/** Reads PEM (PKCS #8, PKCS #1, SEC 1) or JWK, and signs once, to verify it with the public part. Throws a {@link KeyProblem}. */
export function readAssertionKey (given: GivenKey, { clientKeyId, clientKeyAlgorithm }: KeyChoice): AssertionKey {
  const jwk = given instanceof KeyObject ? undefined : jwkOf(given)
  const key = given instanceof KeyObject ? given : keyOf(jwk ?? given)
  if (key.type !== 'private') throw new KeyProblem('a private key, not a public or secret one')
  if (key.asymmetricKeyDetails?.modulusLength !== undefined && key.asymmetricKeyDetails.modulusLength < SHORTEST_RSA_BITS) {
    throw new KeyProblem('an RSA key of 2,048 bits or more')
  }
  const fitting = algorithmsFor(key)
  const algorithm = clientKeyAlgorithm ?? jwk?.alg ?? fitting[0]
  const found = fitting.find((one) => one === algorithm)
  if (found === undefined) {
    throw new KeyProblem(fitting.length === 0
      ? 'a key for RS256, PS256, ES256 or EdDSA'
      : `a key that fits the algorithm: this one is for ${fitting.join(', ')}`)
  }
  if (!belongTogether(key, found, jwk?.x)) throw new KeyProblem(BELONG_TOGETHER)
  return { key, algorithm: found, keyId: clientKeyId ?? jwk?.kid }
}

/** Of a JWK, and of some PEM, the public part may be that of another key. Of an Ed25519 key Node makes a new one, and ignores `x`. */
function belongTogether (key: KeyObject, algorithm: AssertionAlgorithm, x: string | undefined): boolean {
  const publicKey = createPublicKey(key)
  if (algorithm === 'EdDSA' && x !== undefined && !bytesOf(x).equals(bytesOf(publicKey.export({ format: 'jwk' }).x ?? ''))) return false
  const [hash, text] = [hashOf(algorithm), Buffer.from('any')]
  try {
    return verify(hash, text, signing(publicKey, algorithm), sign(hash, text, signing(key, algorithm)))
  } catch {
    throw new KeyProblem(`a key that can sign with ${algorithm}`)
  }
}

function bytesOf (base64url: string): Buffer {
  return Buffer.from(base64url, 'base64url')
}

type Jwk = webcrypto.JsonWebKey & { readonly kid?: string }

function jwkOf (given: string | webcrypto.JsonWebKey): Jwk | undefined {
  if (typeof given !== 'string') return given
  if (!given.trimStart().startsWith('{')) return undefined
  try {
    return JSON.parse(given) as Jwk
  } catch {
    throw new KeyProblem('a private key as PEM or JWK')
  }
}

function keyOf (given: string | webcrypto.JsonWebKey): KeyObject {
  try {
    return typeof given === 'string' ? createPrivateKey(given) : createPrivateKey({ key: given, format: 'jwk' } as JsonWebKeyInput)
  } catch {
    if (typeof given !== 'string' && isHalfRight(given)) throw new KeyProblem(BELONG_TOGETHER)
    throw new KeyProblem('a private key as PEM (without a passphrase) or JWK')
  }
}

/** Newer versions of Node refuse a JWK whose parts do not belong together. */
function isHalfRight ({ d, kty, crv, x, y, n, e }: webcrypto.JsonWebKey): boolean {
  if (d === undefined) return false
  try {
    createPublicKey({ key: { kty, crv, x, y, n, e }, format: 'jwk' } as JsonWebKeyInput)
    return true
  } catch {
    return false
  }
}

function algorithmsFor ({ asymmetricKeyType: type, asymmetricKeyDetails: details = {} }: KeyObject): readonly AssertionAlgorithm[] {
  if (type === 'ed25519') return ['EdDSA']
  const curve = type === 'ec' ? CURVES[details.namedCurve ?? ''] : undefined
  if (curve !== undefined) return [curve]
  if (type !== 'rsa' && type !== 'rsa-pss') return []
  const probabilistic = ['PS256', 'PS384', 'PS512'] as const
  return type === 'rsa-pss' ? probabilistic : ['RS256', 'RS384', 'RS512', ...probabilistic]
}

/** RFC 7523 section 3. `nowMs` is the time of day. */
export function createAssertion ({ key, algorithm, keyId }: AssertionKey, clientId: string, audience: string, nowMs: number): string {
  const iat = Math.floor(nowMs / 1000)
  const header = { alg: algorithm, typ: 'JWT', ...keyId !== undefined && { kid: keyId } }
  const claims = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), iat, exp: iat + ASSERTION_LIFE_SECONDS }
  return signJwt({ key, algorithm }, header, claims)
}

/** RFC 7515 section 7.1. */
export function signJwt ({ key, algorithm }: Pick<AssertionKey, 'key' | 'algorithm'>, header: object, claims: object): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
  return `${input}.${sign(hashOf(algorithm), Buffer.from(input), signing(key, algorithm)).toString('base64url')}`
}

function hashOf (algorithm: AssertionAlgorithm): string | null {
  return algorithm === 'EdDSA' ? null : `sha${algorithm.slice(2)}`
}

function signing (key: KeyObject, algorithm: AssertionAlgorithm): SignKeyObjectInput {
  if (algorithm.startsWith('PS')) return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return algorithm.startsWith('ES') ? { key, dsaEncoding: 'ieee-p1363' } : { key }
}
