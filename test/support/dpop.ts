import { createHash, randomUUID } from 'node:crypto'
import { newKey, signTexts, type Json, type SigningKey } from './issuer.ts'

/** A caller with a DPoP key of its own. */
export interface Holder {
  readonly key: SigningKey
  /** As it stands in a proof. */
  readonly jwk: Json
  readonly jkt: string
}

export function holder (alg = 'ES256'): Holder {
  const key = newKey(alg)
  const { kty, crv, x, y, n, e } = key.jwk
  const jwk = Object.fromEntries(Object.entries({ kty, crv, x, y, n, e }).filter(([, value]) => value !== undefined))
  const members = Object.fromEntries(Object.entries(jwk).sort(([one], [other]) => one < other ? -1 : 1))
  return { key, jwk, jkt: createHash('sha256').update(JSON.stringify(members)).digest('base64url') }
}

/** What a proof is for, and what is changed in it; `undefined` takes a member away. */
export interface ProofParts {
  readonly url: string
  readonly method?: string
  readonly token: string
  readonly claims?: Json
  readonly header?: Json
  readonly key?: SigningKey
}

export function proof (
  { key, jwk }: Holder,
  { url, method = 'GET', token, claims = {}, header = {}, key: signer = key }: ProofParts
): string {
  const payload = {
    jti: randomUUID(), htm: method, htu: url, iat: Math.floor(Date.now() / 1000),
    ath: createHash('sha256').update(token).digest('base64url'), ...claims
  }
  return signTexts(signer, JSON.stringify({ typ: 'dpop+jwt', alg: key.alg, jwk, ...header }), JSON.stringify(payload))
}

/** A proof for the token endpoint of a Keycloak realm, where there is no token yet. */
export function tokenProof (owner: Holder, issuer: string): string {
  return proof(owner, { url: `${issuer}/protocol/openid-connect/token`, method: 'POST', token: '', claims: { ath: undefined } })
}

/** The claims of a token that Keycloak binds to the key of a holder. */
export function boundTo ({ jkt }: Holder): Json {
  return { typ: 'DPoP', cnf: { jkt, 'kc-jkt-type': 'DPoP' } }
}
