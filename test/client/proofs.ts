import { createPublicKey, verify } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import { json } from './fakes.ts'
import type { Respond, Seen } from './fakes.ts'

export interface Proof {
  readonly header: { readonly alg: string, readonly typ: string, readonly jwk: JsonWebKey }
  readonly claims: Readonly<Record<string, string | number>>
}

/** The proof of a request, its signature checked. */
export function proofOf ({ headers }: Seen): Proof {
  const [head = '', body = '', signature = ''] = String(headers['dpop']).split('.')
  const [header, claims] =
    [head, body].map((part) => JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown) as [Proof['header'], Proof['claims']]
  const key = { key: createPublicKey({ key: header.jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
  const hash = header.alg === 'EdDSA' ? null : 'sha256'
  if (!verify(hash, Buffer.from(`${head}.${body}`), key, Buffer.from(signature, 'base64url'))) throw new Error('not signed with its key')
  return { header, claims }
}

/** Requires this nonce in the proof. */
export const requires = (nonce: string, status: number, otherwise: Respond): Respond => (response, seen) => {
  if (proofOf(seen).claims['nonce'] === nonce) otherwise(response, seen)
  else json(
    status,
    { error: 'use_dpop_nonce' },
    { 'dpop-nonce': nonce, 'www-authenticate': 'Bearer realm="x", DPoP error="use_dpop_nonce", algs="ES256"' }
  )(response, seen)
}
