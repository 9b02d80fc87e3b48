import { createHash, createPublicKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import type { KeyObject, webcrypto } from 'node:crypto'
import { apiOf } from './api-address.ts'
import { KeyProblem, readAssertionKey, signJwt } from './assertion.ts'
import type { AssertionKey } from './assertion.ts'
import type { ClientOptions } from './options.ts'
import type { Api } from './settings.ts'

/** What a proof is for; without a token, for the token endpoint. */
export interface Proven {
  readonly method: string
  readonly url: URL
  readonly token?: string
}

/** The key that the tokens of a client are bound to (RFC 9449), and the newest nonce of the issuer and of each API. */
export interface Dpop {
  /** A new proof for each attempt: a server accepts each once. */
  readonly prove: (proven: Proven) => string
  /** Keeps the nonce of a response. `bearing`: the request had a token. The nonces of an issuer and of an API at its origin differ. */
  readonly keepNonce: (url: URL, bearing: boolean, nonce: unknown) => void
}

/** RFC 9449 section 8: NQCHAR. The text is a server's, and is sent back. */
const NONCE = /^[\x21\x23-\x5B\x5D-\x7E]{1,1000}$/

/** Members that a public key consists of (RFC 7518 section 6, RFC 8037 section 2); never a private one. */
const PUBLIC_MEMBERS = ['kty', 'crv', 'x', 'y', 'n', 'e'] as const

/** The time of each check grows with it: Scopegate refuses proofs with a longer key, and others may. */
const LONGEST_RSA_BITS = 4096

/** Undefined: tokens are bearer tokens. Throws a {@link KeyProblem}. */
export function createDpop (option: ClientOptions['dpop'], apis: readonly Api[]): Dpop | undefined {
  if (option === undefined || option === false) return undefined
  const proofKey = option === true ? newKey() : readProofKey(option.key)
  const jwk = publicJwkOf(proofKey.key)
  const nonces = new Map<string, string>()
  return {
    prove ({ method, url, token }) {
      const nonce = nonces.get(placeOf(url, token !== undefined, apis))
      const claims = {
        jti: randomUUID(), htm: method, htu: url.origin + url.pathname, iat: Math.floor(Date.now() / 1000),
        ...token !== undefined && { ath: createHash('sha256').update(token).digest('base64url') },
        ...nonce !== undefined && { nonce }
      }
      return signJwt(proofKey, { alg: proofKey.algorithm, typ: 'dpop+jwt', jwk }, claims)
    },
    keepNonce (url, bearing, nonce) {
      if (typeof nonce === 'string' && NONCE.test(nonce)) nonces.set(placeOf(url, bearing, apis), nonce)
    }
  }
}

/** APIs behind path prefixes of one origin have nonces of their own: one for all would be refused at each change between them. */
function placeOf (url: URL, bearing: boolean, apis: readonly Api[]): string {
  if (!bearing) return `issuer ${url.origin}`
  const api = apis.length === 1 ? apis[0] : apiOf(url, apis)
  return api === undefined ? `api ${url.origin}` : `api ${api.origin}${api.wall}`
}

function newKey (): AssertionKey {
  return { key: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, algorithm: 'ES256', keyId: undefined }
}

/** Throws a {@link KeyProblem}. */
export function readProofKey (given: string | KeyObject | webcrypto.JsonWebKey): AssertionKey {
  const key = readAssertionKey(given, { clientKeyId: undefined, clientKeyAlgorithm: undefined })
  if (key.key.asymmetricKeyType === 'rsa-pss') throw new KeyProblem('a key of the kind RSA, not RSA-PSS, which has no JWK')
  if ((key.key.asymmetricKeyDetails?.modulusLength ?? 0) > LONGEST_RSA_BITS) throw new KeyProblem('an RSA key of 2,048 to 4,096 bits')
  return key
}

function publicJwkOf (key: KeyObject): webcrypto.JsonWebKey {
  const jwk = createPublicKey(key).export({ format: 'jwk' })
  return Object.fromEntries(PUBLIC_MEMBERS.flatMap((name) => jwk[name] === undefined ? [] : [[name, jwk[name]]]))
}

/** The headers that present a token (RFC 6750 section 2.1, RFC 9449 section 7.1). Names in lower case. */
export function presented (
  dpop: Dpop | undefined,
  token: string,
  { method, url }: Omit<Proven, 'token'>
): Readonly<Record<string, string>> {
  if (dpop === undefined) return { authorization: `Bearer ${token}` }
  return { authorization: `DPoP ${token}`, dpop: dpop.prove({ method, url, token }) }
}
