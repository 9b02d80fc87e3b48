import { constants, createPublicKey, verify } from 'node:crypto'
import type { PublicKey } from '../../oauth/key-set.ts'

/**
 * Whether a compact JWS was signed with this key (RFC 7515 §5.2, RFC 7518 §3, RFC 8037). The claims are not looked at: the service's own
 * verifier checks them together with the signature, the doctor has a line for each.
 */
export function isSignedWith (token: string, { alg, pem }: PublicKey): boolean {
  const at = token.lastIndexOf('.')
  const input = Buffer.from(token.slice(0, at))
  const signature = Buffer.from(token.slice(at + 1), 'base64url')
  const key = createPublicKey(pem)
  if (alg === 'EdDSA') return verify(null, input, key, signature)
  const hash = `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) return verify(hash, input, { key, dsaEncoding: 'ieee-p1363' }, signature)
  const padding = alg.startsWith('PS') ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING
  return verify(hash, input, { key, padding, ...alg.startsWith('PS') && { saltLength: constants.RSA_PSS_SALTLEN_DIGEST } }, signature)
}
