import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { claimsOf, signerOf } from './issuer.mjs'

/** The address of the measured service as its proofs name it (PUBLIC_URL). */
export const PUBLIC_URL = 'https://api.example.com'

const encoded = (value) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sha256 = (text) => createHash('sha256').update(text).digest('base64url')

/** A caller with an ES256 key of its own and a live token that is bound to it. */
export function newHolder (key, issuer) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' })
  const jkt = sha256(JSON.stringify({ crv, kty, x, y }))
  const token = signerOf(key)({ ...claimsOf(issuer), typ: 'DPoP', cnf: { jkt } })
  return { token, head: encoded({ typ: 'dpop+jwt', alg: 'ES256', jwk: { kty, crv, x, y } }), ath: sha256(token), privateKey }
}

/** `count` requests of these callers in turn, each with a proof of its own (RFC 9449 §4.2). They can be sent within a minute. */
export function provenRequests (holders, path, count) {
  return Array.from({ length: count }, (_, at) => {
    const { token, head, ath, privateKey } = holders[at % holders.length]
    const input = `${head}.${encoded({ jti: randomUUID(), htm: 'GET', htu: PUBLIC_URL + path, iat: Math.floor(Date.now() / 1000), ath })}`
    const signature = sign('sha256', Buffer.from(input), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    return `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\nauthorization: DPoP ${token}\r\ndpop: ${input}.${signature}\r\n\r\n`
  })
}
