/**
 * The best that can be had of @fastify/jwt and get-jwks alone: global options, the promise form, a PEM string made once for each key,
 * and the checks of issuer, audience and expiry. Written by hand for this comparison; no documentation shows it.
 */
import { createPublicKey } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import fastify from 'fastify'
import buildGetJwks from 'get-jwks'
import { ANSWER, AUDIENCE, ISSUER, schema, where } from './listen.mjs'

const app = fastify()
const getJwks = buildGetJwks({ jwksPath: '/protocol/openid-connect/certs', issuersWhitelist: [ISSUER] })
const pems = new Map()

async function pemOf ({ kid, alg }) {
  const known = pems.get(kid)
  if (known !== undefined) return known
  const jwk = await getJwks.getJwk({ kid, alg, domain: ISSUER })
  const pem = createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
  pems.set(kid, pem)
  return pem
}

await app.register(fastifyJwt, {
  decode: { complete: true },
  secret: { public: (_request, token) => pemOf(token.header) },
  verify: { algorithms: ['RS256'], allowedIss: ISSUER, allowedAud: AUDIENCE, requiredClaims: ['iss', 'aud', 'exp'], clockTolerance: 5000 }
})
app.get('/api/private', { schema, onRequest: async (request) => { await request.jwtVerify() } }, () => ANSWER)
await app.listen(where)
