/** Its own fetcher speaks https only; the key set is handed to it with `cacheJwks`, as its README shows for keys that are known. */
import { JwtVerifier } from 'aws-jwt-verify'
import fastify from 'fastify'
import { ANSWER, AUDIENCE, ISSUER, JWKS_URL, schema, where } from './listen.mjs'

const verifier = JwtVerifier.create({ issuer: ISSUER, audience: AUDIENCE, jwksUri: JWKS_URL })
verifier.cacheJwks(await (await fetch(JWKS_URL)).json())

const app = fastify()
app.decorateRequest('jwt', null)
app.get('/api/private', {
  schema,
  onRequest: async (request, reply) => {
    try {
      request.jwt = await verifier.verify((request.headers.authorization ?? '').slice('Bearer '.length))
    } catch {
      return reply.code(401).send({ message: 'Unauthorized' })
    }
  }
}, () => ANSWER)
await app.listen(where)
