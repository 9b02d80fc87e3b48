import { createSign, generateKeyPairSync, randomUUID, sign as signWith, type KeyObject } from 'node:crypto'

type Json = Record<string, unknown>
type Alg = 'RS256' | 'PS256' | 'ES256' | 'EdDSA'

export interface TestIssuerOptions {
  /** `iss` of the tokens; default https://issuer.test/realms/test. Nothing listens there. */
  readonly issuer?: string
  /** Default RS256, as Keycloak's. */
  readonly alg?: Alg
  /** Milliseconds since 1970, for `iat` and `exp`. */
  readonly nowMs?: () => number
}

/** An issuer without a network, for tests of protected routes with `app.inject`. */
export interface TestIssuer {
  readonly issuer: string
  /** The public keys at this moment, as a JWK Set. */
  readonly keySet: { readonly keys: readonly object[] }
  /** For the option `keys` of the plugin: the public keys at the time of the call, so that it follows `rotate` and `fail`. */
  readonly keys: () => { readonly keys: readonly object[] }
  /**
   * A token, signed. Without claims it is that of a service account as Keycloak issues it, valid for five minutes, without `aud` and
   * `scope`. Each claim replaces one of those; `undefined` leaves it out. `header` likewise.
   * Nothing is checked: a token that no issuer would sign is signed here.
   */
  readonly sign: (claims?: Readonly<Json>, header?: Readonly<Json>) => string
  /** From now on another key signs. The old one stays in the set, unless it is withdrawn. */
  readonly rotate: (options?: { readonly withdraw?: boolean }) => void
  /** From now on `keys` throws, as an issuer that does not respond; `fail(false)` ends it. */
  readonly fail: (failing?: boolean) => void
}

interface Key {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly jwk: object
}

/** An issuer whose keys exist in this process only. For tests: whoever has it can sign any claims. */
export function createTestIssuer ({
  issuer = 'https://issuer.test/realms/test', alg = 'RS256', nowMs = Date.now
}: TestIssuerOptions = {}): TestIssuer {
  let keys: readonly [Key, ...Key[]] = [newKey(alg)]
  let failing = false
  const keySet = (): { readonly keys: readonly object[] } => ({ keys: keys.map(({ jwk }) => jwk) })
  return {
    issuer,
    get keySet () { return keySet() },
    keys () {
      if (failing) throw new Error('the test issuer fails on request')
      return keySet()
    },
    sign (claims = {}, header = {}) {
      const [{ kid, privateKey }] = keys
      const seconds = Math.floor(nowMs() / 1000)
      const preset = {
        exp: seconds + 300, iat: seconds, jti: `trrtcc:${randomUUID()}`, iss: issuer, sub: randomUUID(), typ: 'Bearer', azp: 'test-client'
      }
      const input = `${encode({ alg, typ: 'JWT', kid, ...header })}.${encode({ ...preset, ...claims })}`
      return `${input}.${signature(input, privateKey, alg).toString('base64url')}`
    },
    rotate ({ withdraw = false } = {}) { keys = [newKey(alg), ...withdraw ? [] : keys] },
    fail (now = true) { failing = now }
  }
}

function newKey (alg: Alg): Key {
  const kid = randomUUID()
  const { publicKey, privateKey } = pairFor(alg)
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

function pairFor (alg: Alg): { readonly publicKey: KeyObject, readonly privateKey: KeyObject } {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  return alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

/** RSASSA-PSS as RFC 7518 §3.5 has it: the salt is as long as the hash. */
const PSS = { padding: 6, saltLength: 32 } as const

function signature (input: string, privateKey: KeyObject, alg: Alg): Buffer {
  if (alg === 'EdDSA') return signWith(null, Buffer.from(input), privateKey)
  const signer = createSign('SHA256').update(input)
  if (alg === 'ES256') return signer.sign({ key: privateKey, dsaEncoding: 'ieee-p1363' })
  return alg === 'PS256' ? signer.sign({ key: privateKey, ...PSS }) : signer.sign(privateKey)
}

function encode (value: Json): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
