import { createSign, generateKeyPairSync, sign as signWith, type KeyObject } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What the issuer does with a request for its keys. */
export type Behaviour = (request: IncomingMessage, response: ServerResponse) => void

export interface SigningKey {
  readonly kid: string
  readonly alg: string
  readonly privateKey: KeyObject
  /** The public JWK as published; tests may change a copy. */
  readonly jwk: Readonly<Record<string, unknown>>
}

export type Json = Record<string, unknown>

let keys = 0

/** A key of its own for every call. RSA keys take a tenth of a second: one for each test file. */
export function newKey (alg = 'RS256', kid = `key-${++keys}`, bits = 2048): SigningKey {
  const { publicKey, privateKey } = pairFor(alg, bits)
  return { kid, alg, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' } }
}

function pairFor (alg: string, bits: number): { publicKey: KeyObject, privateKey: KeyObject } {
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519')
  if (alg.startsWith('ES')) return generateKeyPairSync('ec', { namedCurve: { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }[alg] ?? '' })
  return generateKeyPairSync('rsa', { modulusLength: bits })
}

/** Signs any two texts as a compact JWS: tests decide what is in them. */
export function signTexts (key: SigningKey, header: string | Buffer, payload: string | Buffer): string {
  const input = `${Buffer.from(header).toString('base64url')}.${Buffer.from(payload).toString('base64url')}`
  return `${input}.${signInput(key, input).toString('base64url')}`
}

export function signInput ({ alg, privateKey }: SigningKey, input: string): Buffer {
  if (alg === 'EdDSA') return signWith(null, Buffer.from(input), privateKey)
  const signer = createSign(`SHA${alg.slice(2)}`).update(input)
  if (alg.startsWith('ES')) return signer.sign({ key: privateKey, dsaEncoding: 'ieee-p1363' })
  return alg.startsWith('PS') ? signer.sign({ key: privateKey, padding: 6, saltLength: Number(alg.slice(2)) / 8 }) : signer.sign(privateKey)
}

/** An issuer over real HTTP with any behaviour that a test sets. */
export class TestIssuer {
  readonly #server: Server
  readonly issuer: string
  readonly jwksUrl: string
  key: SigningKey
  published: unknown[]
  behaviour: Behaviour | undefined
  /** How often the keys were requested. */
  fetches = 0
  lastRequest: IncomingMessage | undefined

  private constructor (server: Server, key: SigningKey) {
    this.#server = server
    this.issuer = `http://localhost:${(server.address() as AddressInfo).port}/realms/test`
    this.jwksUrl = `${this.issuer}/protocol/openid-connect/certs`
    this.key = key
    this.published = [key.jwk]
  }

  static async start (key = newKey()): Promise<TestIssuer> {
    const server = createServer((request, response) => {
      issuer.fetches++
      issuer.lastRequest = request
      const behave = issuer.behaviour ??
        ((_, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: issuer.published })))
      behave(request, response)
    })
    await new Promise<void>((resolve) => server.listen(0, resolve))
    const issuer = new TestIssuer(server, key)
    return issuer
  }

  /** Claims as Keycloak writes them for a service account, valid for five minutes. */
  claims (changes: Json = {}): Json {
    const now = Math.floor(Date.now() / 1000)
    const claims: Json = {
      exp: now + 300, iat: now, jti: 'trrtcc:5db459ca-3623-217e-0ff0-50243cc1771a', iss: this.issuer, aud: 'test_api', sub: 'ac020a67',
      typ: 'Bearer', azp: 'test_client',
      acr: '1', scope: 'email profile', email_verified: false, client_id: 'test_client', ...changes
    }
    return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined))
  }

  header (changes: Json = {}): Json {
    const header: Json = { alg: this.key.alg, typ: 'JWT', kid: this.key.kid, ...changes }
    return Object.fromEntries(Object.entries(header).filter(([, value]) => value !== undefined))
  }

  /** A well-signed token with these claims and header members changed; `undefined` takes one away. */
  token (claims: Json = {}, header: Json = {}, key = this.key): string {
    return signTexts(key, JSON.stringify(this.header({ alg: key.alg, kid: key.kid, ...header })), JSON.stringify(this.claims(claims)))
  }

  async stop (): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}
