import fastify from 'fastify'
import jwtJwks from 'fastify-jwt-jwks'
import { ANSWER, AUDIENCE, ISSUER, JWKS_URL, schema, where } from './listen.mjs'

const server = fastify()
await server.register(jwtJwks, { jwksUrl: JWKS_URL, audience: AUDIENCE, issuer: ISSUER })
server.get('/api/private', { schema, preValidation: server.authenticate }, () => ANSWER)
await server.listen(where)
