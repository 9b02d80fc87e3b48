/** The floor: one signature check for each request, with a key that was parsed once, and nothing else: no claim is looked at. */
import { createPublicKey, verify } from 'node:crypto'
import fastify from 'fastify'
import { ANSWER, JWKS_URL, schema, where } from './listen.mjs'

const { keys } = await (await fetch(JWKS_URL)).json()
const pem = createPublicKey({ key: keys.find(({ use }) => use === 'sig'), format: 'jwk' }).export({ type: 'spki', format: 'pem' })
const key = createPublicKey(pem)

const app = fastify()
app.get('/api/private', { schema }, (request, reply) => {
  const token = request.headers.authorization.slice('Bearer '.length)
  const dot = token.lastIndexOf('.')
  if (verify('RSA-SHA256', Buffer.from(token.slice(0, dot), 'latin1'), key, Buffer.from(token.slice(dot + 1), 'base64url'))) return ANSWER
  reply.code(401)
  return { message: 'Unauthorized' }
})
await app.listen(where)
