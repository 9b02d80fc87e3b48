import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto'
import { createServer } from 'node:http'
import { fileURLToPath } from 'node:url'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** What the service is measured with: a realm as Keycloak 26 shows it. */
export const AUDIENCE = 'test_api'
/** Tokens outlive the longest run. */
const LIFETIME_SECONDS = 6 * 3600
/** An RS256-2048 signature in base64url. */
const SIGNATURE_LENGTH = 342

/** A key pair, as PEM so that it can be handed to workers and child processes. */
export function newKey () {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwk = publicKey.export({ format: 'jwk' })
  return { kid: createHash('sha256').update(jwk.n).digest('base64url'), jwk, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

/** Serves the key set at Keycloak's address, and at the one where get-jwks looks by default; with the `enc` key that Keycloak adds. */
export async function startIssuer (key) {
  const other = newKey()
  const keys = [
    { ...key.jwk, kid: key.kid, use: 'sig', alg: 'RS256' },
    { ...other.jwk, kid: other.kid, use: 'enc', alg: 'RSA-OAEP' }
  ]
  const server = createServer((request, response) => {
    response.writeHead(/(?:certs|jwks\.json)$/.test(request.url) ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify({ keys }))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { issuer: `http://127.0.0.1:${server.address().port}/realms/myorg`, close: () => { server.closeAllConnections(); server.close() } }
}

/** Claims of a service account, as Keycloak writes them; with `roles` more of them the token grows. */
export function claimsOf (issuer, roles = 0) {
  const now = Math.floor(Date.now() / 1000)
  return {
    exp: now + LIFETIME_SECONDS,
    iat: now - 1,
    jti: `trrtcc:${randomUUID()}`,
    iss: issuer,
    aud: [AUDIENCE, 'account'],
    sub: randomUUID(),
    typ: 'Bearer',
    azp: 'test_api_client',
    acr: '1',
    realm_access: { roles: ['default-roles-myorg', 'offline_access', 'uma_authorization'] },
    resource_access: {
      account: { roles: ['manage-account', 'manage-account-links', 'view-profile'] },
      ...roles > 0 && { [AUDIENCE]: { roles: Array.from({ length: roles }, (_, at) => `role-number-${at}-of-the-application`) } }
    },
    scope: 'email profile test_api_access',
    clientHost: '10.0.0.7',
    email_verified: false,
    preferred_username: 'service-account-test_api_client',
    clientAddress: '10.0.0.7',
    client_id: 'test_api_client'
  }
}

/** Header and payload of a token, not signed. */
export function signingInput (kid, claims) {
  return `${encode({ alg: 'RS256', typ: 'JWT', kid })}.${encode(claims)}`
}

function encode (value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Signs tokens; the private key is parsed once. */
export function signerOf ({ kid, pem }) {
  const privateKey = createPrivateKey(pem)
  return (claims) => {
    const input = signingInput(kid, claims)
    return `${input}.${sign('RSA-SHA256', Buffer.from(input), privateKey).toString('base64url')}`
  }
}

/** Right in everything but the signature, which is a number below any modulus: the check is done in full before it fails. */
export function forgedToken (kid, claims) {
  return `${signingInput(kid, claims)}.${forgedSignature()}`
}

export function forgedSignature () {
  const signature = randomBytes(256)
  signature[0] = 0
  return signature.toString('base64url')
}

/** Tokens of one length, each different, in one block of memory: none of them weighs on the load generator's collector. */
export class TokenPool {
  #bytes
  #length
  count

  constructor (bytes, length) {
    this.#bytes = bytes
    this.#length = length
    this.count = bytes.length / length
  }

  at (index) {
    if (index >= this.count) throw new Error(`the pool of ${this.count} distinct tokens is used up: a used one would be found in a cache`)
    return this.#bytes.latin1Slice(index * this.#length, (index + 1) * this.#length)
  }
}

/** So many distinct tokens: signed by two workers (a signature takes half a millisecond), or with forged signatures. */
export async function mint (key, issuer, count, { forged = false } = {}) {
  const length = signingInput(key.kid, claimsOf(issuer)).length + 1 + SIGNATURE_LENGTH
  const shared = new SharedArrayBuffer(count * length)
  const half = Math.ceil(count / 2)
  await Promise.all([[0, half], [half, count]].map(([from, to]) => new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(import.meta.url), { workerData: { key, issuer, forged, shared, length, from, to } })
    worker.once('message', resolve).once('error', reject)
  })))
  return new TokenPool(Buffer.from(shared), length)
}

if (!isMainThread && workerData?.shared !== undefined) {
  const { key, issuer, forged, shared, length, from, to } = workerData
  const bytes = Buffer.from(shared)
  const signed = signerOf(key)
  for (let at = from; at < to; at++) {
    const claims = claimsOf(issuer)
    const token = forged ? forgedToken(key.kid, claims) : signed(claims)
    if (token.length !== length) throw new Error(`a token of ${token.length} characters among those of ${length}`)
    bytes.latin1Write(token, at * length)
  }
  parentPort.postMessage('done')
}
