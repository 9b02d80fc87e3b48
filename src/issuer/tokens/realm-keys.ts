import { createHash, createHmac, createPublicKey, generateKeyPair, randomBytes, randomUUID, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { selfSigned } from './certificate.ts'
import { readKeys, writeKeys, type KeyMaterial } from './stored-keys.ts'

const generate = promisify(generateKeyPair)

const hash = (algorithm: string, bytes: Buffer): string => createHash(algorithm).update(bytes).digest('base64url')

interface RealmKey {
  readonly kid: string
  readonly privateKey: KeyObject
  /** SubjectPublicKeyInfo, base64. */
  readonly spki: string
  /** As published; members in Keycloak's order. */
  readonly jwk: Readonly<Record<string, unknown>>
}

const newPrivateKey = async (): Promise<KeyObject> => (await generate('rsa', { modulusLength: 2048 })).privateKey

function realmKey (realmName: string, privateKey: KeyObject, alg: string, use: string, madeMs: number): RealmKey {
  const publicKey = createPublicKey(privateKey)
  const spki = publicKey.export({ type: 'spki', format: 'der' })
  const kid = hash('sha256', spki)
  const certificate = selfSigned(realmName, publicKey, privateKey, madeMs)
  const { n, e } = publicKey.export({ format: 'jwk' })
  const jwk = {
    kid, kty: 'RSA', alg, use, x5c: [certificate.toString('base64')],
    x5t: hash('sha1', certificate), 'x5t#S256': hash('sha256', certificate), n, e
  }
  return { kid, privateKey, spki: spki.toString('base64'), jwk }
}

const signingKey = (realmName: string, privateKey: KeyObject, madeMs: number): RealmKey =>
  realmKey(realmName, privateKey, 'RS256', 'sig', madeMs)

async function newKeys (): Promise<KeyMaterial> {
  const [signing, encryption] = await Promise.all([newPrivateKey(), newPrivateKey()])
  return { signing, encryption, madeMs: Date.now() }
}

/** Keycloak writes the header by hand, with these spaces: a reader that compares bytes must be tested with them. */
const signingInput = (alg: string, typ: string, kid: string, payload: unknown): string =>
  [`{"alg":"${alg}","typ" : "${typ}","kid" : "${kid}"}`, JSON.stringify(payload)]
    .map((part) => Buffer.from(part).toString('base64url')).join('.')

/**
 * The keys of one realm: RSA 2048, one signs (RS256), those that signed before stay listed, one is for encryption
 * (RSA-OAEP) and never used. Refresh tokens have a secret of their own (HS512). New for every run, unless a file keeps the
 * first two; what `rotate` adds is never stored.
 */
export class RealmKeys {
  readonly #realmName: string
  readonly #encryption: RealmKey
  readonly #refresh = { kid: randomUUID(), secret: randomBytes(64) }
  #signing: readonly [RealmKey, ...RealmKey[]]

  private constructor (realmName: string, signing: RealmKey, encryption: RealmKey) {
    this.#realmName = realmName
    this.#signing = [signing]
    this.#encryption = encryption
  }

  /** `file` keeps the keys from one run to the next. */
  static async generate (realmName: string, file?: string): Promise<RealmKeys> {
    const stored = file === undefined ? undefined : readKeys(file)
    const keys = stored ?? await newKeys()
    if (file !== undefined && stored === undefined) writeKeys(file, keys)
    const { signing, encryption, madeMs } = keys
    return new RealmKeys(realmName, signingKey(realmName, signing, madeMs), realmKey(realmName, encryption, 'RSA-OAEP', 'enc', madeMs))
  }

  /** A new key signs from now on; nothing is withdrawn. */
  async rotate (): Promise<void> {
    const key = signingKey(this.#realmName, await newPrivateKey(), Date.now())
    this.#signing = [key, ...this.#signing]
  }

  /** The key set (RFC 7517). */
  jwks (): { readonly keys: readonly unknown[] } {
    return { keys: [...this.#signing, this.#encryption].map((key) => key.jwk) }
  }

  /** The public half of the signing key: SubjectPublicKeyInfo, base64. */
  publicKey (): string {
    return this.#signing[0].spki
  }

  sign (typ: string, payload: unknown): string {
    const [key] = this.#signing
    const input = signingInput('RS256', typ, key.kid, payload)
    return `${input}.${sign('RSA-SHA256', Buffer.from(input), key.privateKey).toString('base64url')}`
  }

  signRefresh (payload: unknown): string {
    const input = signingInput('HS512', 'JWT', this.#refresh.kid, payload)
    return `${input}.${createHmac('sha512', this.#refresh.secret).update(input).digest('base64url')}`
  }
}
