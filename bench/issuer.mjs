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

/** How each algorithm is signed, and the places of a signature that are zero so that a forged one is checked in full before it fails. */
const ALGORITHMS = {
  RS256: { pair: () => generateKeyPairSync('rsa', { modulusLength: 2048 }), digest: 'sha256', signatureBytes: 256, zeroBytes: [0] },
  ES512: { pair: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }), digest: 'sha512', signatureBytes: 132, zeroBytes: [0, 66] }
}

/** A key pair, as PEM so that it can be handed to workers and child processes. */
export function newKey (alg = 'RS256') {
  const { publicKey, privateKey } = ALGORITHMS[alg].pair()
  const jwk = publicKey.export({ format: 'jwk' })
  const kid = createHash('sha256').update(jwk.n ?? jwk.x).digest('base64url')
  return { alg, kid, jwk, pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) }
}

/** Serves the key set at Keycloak's address, and at the one where get-jwks looks by default; with the `enc` key that Keycloak adds. */
export async function startIssuer (key) {
  const other = newKey()
  const keys = [
    { ...key.jwk, kid: key.kid, use: 'sig', alg: key.alg },
    { ...other.jwk, kid: other.kid, use: 'enc', alg: 'RSA-OAEP' }
  ]
  const server = createServer((request, response) => {
    response.writeHead(/(?:certs|jwks\.json)$/.test(request.url) ? 200 : 404, { 'content-type': 'application/json' })
      .end(JSON.stringify({ keys }))
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
export function signingInput (kid, claims, alg = 'RS256') {
  return `${encode({ alg, typ: 'JWT', kid })}.${encode(claims)}`
}

function encode (value) {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

/** Signs tokens; the private key is parsed once. */
export function signerOf ({ alg, kid, pem }) {
  const key = { key: createPrivateKey(pem), dsaEncoding: 'ieee-p1363' }
  return (claims) => {
    const input = signingInput(kid, claims, alg)
    return `${input}.${sign(ALGORITHMS[alg].digest, Buffer.from(input), key).toString('base64url')}`
  }
}

/** Right in everything but the signature, whose numbers are in range: the check is done in full before it fails. */
export function forgedToken (kid, claims, alg = 'RS256') {
  return `${signingInput(kid, claims, alg)}.${forgedSignature(alg)}`
}

export function forgedSignature (alg = 'RS256') {
  const { signatureBytes, zeroBytes } = ALGORITHMS[alg]
  const signature = randomBytes(signatureBytes)
  for (const at of zeroBytes) signature[at] = 0
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
