/** The wiring of get-jwks' README, word for word but for the issuer; the hook is on the protected route, so that there is an open one. */
import fjwt from '@fastify/jwt'
import Fastify from 'fastify'
import buildGetJwks from 'get-jwks'
import { ANSWER, ISSUER, schema, where } from './listen.mjs'

const fastify = Fastify()
const getJwks = buildGetJwks()

await fastify.register(fjwt, {
  decode: { complete: true },
  issuersWhitelist: [ISSUER],
  checkIssuer: (issuer) => {
    return issuer === ISSUER
  },
  secret: (request, token, callback) => {
    const {
      header: { kid, alg },
      payload: { iss }
    } = token
    getJwks
      .getPublicKey({ kid, domain: iss, alg })
      .then((publicKey) => callback(null, publicKey), callback)
  }
})

fastify.get('/api/public', { schema }, () => ANSWER)
fastify.register(async (closed) => {
  closed.addHook('onRequest', async (request) => {
    await request.jwtVerify()
  })
  closed.get('/api/private', { schema }, () => ANSWER)
})
await fastify.listen(where)
