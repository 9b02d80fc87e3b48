import fastify from 'fastify'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { ANSWER, AUDIENCE, ISSUER, JWKS_URL, schema, where } from './listen.mjs'

const app = fastify()
const keys = createRemoteJWKSet(new URL(JWKS_URL))
app.get('/api/private', {
  schema,
  onRequest: async (request, reply) => {
    try {
      const token = (request.headers.authorization ?? '').slice('Bearer '.length)
      request.jwt = (await jwtVerify(token, keys, { issuer: ISSUER, audience: AUDIENCE, algorithms: ['RS256'] })).payload
    } catch {
      return reply.code(401).send({ message: 'Unauthorized' })
    }
  }
}, () => ANSWER)
app.decorateRequest('jwt', null)
await app.listen(where)
