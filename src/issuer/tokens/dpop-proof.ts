import { createHash, createPublicKey, verify } from 'node:crypto'
import { Refusal } from '../http/responses.ts'

/** Keycloak's window around the time of a proof, in seconds. */
const PAST_SECONDS = 25
const FUTURE_SECONDS = 15
const THUMBPRINT_MEMBERS = new Map<unknown, readonly string[]>([
  ['EC', ['crv', 'kty', 'x', 'y']], ['RSA', ['e', 'kty', 'n']], ['OKP', ['crv', 'kty', 'x']]
])
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']

type Members = Readonly<Record<string, unknown>>

interface Parts {
  readonly header: Members
  readonly payload: Members
  readonly input: string
  readonly signature: Buffer
}

/** Every refusal of a proof has Keycloak's text. */
function refuse (description: string): never {
  throw new Refusal(400, 'invalid_request', description)
}

/** The proofs of one issuer. A `jti` counts once for as long as a proof can be used. */
export class DpopProofs {
  readonly #used = new Map<string, number>()

  /** The thumbprint of the key of a proof for the token endpoint (RFC 9449 section 5), or a Refusal. Of two headers Node makes one. */
  thumbprintOf (text: string, tokenEndpoint: string, nowMs: number): string {
    const parts = readProof(text)
    const jwk = keyOf(parts)
    checkClaims(parts.payload, tokenEndpoint, nowMs / 1000)
    checkSignature(parts, jwk)
    this.#use(String(parts.payload['jti']), nowMs)
    const members = THUMBPRINT_MEMBERS.get(jwk['kty']) ?? []
    return createHash('sha256').update(JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])))).digest('base64url')
  }

  #use (jti: string, nowMs: number): void {
    for (const [one, endMs] of this.#used) if (nowMs > endMs) this.#used.delete(one)
    if (this.#used.has(jti)) refuse('DPoP proof has already been used')
    this.#used.set(jti, nowMs + (PAST_SECONDS + FUTURE_SECONDS) * 1000)
  }
}

function readProof (text: string): Parts {
  const parts = text.split('.')
  const [header, payload] = parts.slice(0, 2).map(membersOf)
  if (parts.length !== 3 || header === undefined || payload === undefined) refuse('DPoP header verification failure')
  return { header, payload, input: parts.slice(0, 2).join('.'), signature: Buffer.from(parts[2] ?? '', 'base64url') }
}

function membersOf (part: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Members : undefined
  } catch {
    return undefined
  }
}

function keyOf ({ header: { typ, alg, jwk } }: Parts): Members {
  if (typ !== 'dpop+jwt') refuse(`Invalid or missing type in DPoP header: ${typeof typ === 'string' ? typ : 'null'}`)
  if (!/^(?:(?:RS|PS|ES)(?:256|384|512)|EdDSA)$/.test(String(alg))) refuse(`Unsupported DPoP algorithm: ${String(alg)}`)
  if (typeof jwk !== 'object' || jwk === null) refuse('No JWK in DPoP header')
  if (PRIVATE_MEMBERS.some((name) => Object.hasOwn(jwk, name))) refuse('Private key material must not be present in DPoP JWK')
  return jwk as Members
}

function checkClaims ({ jti, htm, htu, iat }: Members, tokenEndpoint: string, nowSeconds: number): void {
  if ([jti, htm, htu].some((claim) => typeof claim !== 'string' || claim === '') || Number.isNaN(Number(iat ?? NaN))) {
    refuse('DPoP mandatory claims are missing')
  }
  if (htm !== 'POST') refuse('DPoP HTTP method mismatch')
  if (withoutQuery(String(htu)) !== withoutQuery(tokenEndpoint)) refuse('DPoP HTTP URL mismatch')
  const ageSeconds = nowSeconds - Number(iat)
  if (ageSeconds > PAST_SECONDS || ageSeconds < -FUTURE_SECONDS) refuse('DPoP proof is not active')
}

function withoutQuery (address: string): string | undefined {
  if (!URL.canParse(address)) return undefined
  const { origin, pathname } = new URL(address)
  return origin + pathname
}

function checkSignature ({ header, input, signature }: Parts, jwk: Members): void {
  const alg = String(header['alg'])
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const hash = alg === 'EdDSA' ? null : `sha${alg.slice(2)}`
    const padding = alg.startsWith('PS') ? { padding: 6, saltLength: Number(alg.slice(2)) / 8 } : {}
    if (verify(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363', ...padding }, signature)) return
  } catch {
    // A key that is none, or that does not fit the algorithm.
  }
  const cause = /^ES/.test(alg) && signature.length !== { ES256: 64, ES384: 96, ES512: 132 }[alg]
    ? 'org.keycloak.common.VerificationException: Signing failed'
    : 'org.keycloak.exceptions.TokenSignatureInvalidException: Invalid token signature'
  refuse(`DPoP verification failure: ${cause}`)
}
