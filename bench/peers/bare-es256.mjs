/** The floor of a request with a DPoP proof: its signature is checked with a key that was parsed once, and nothing else is looked at. */
import { createPublicKey, verify } from 'node:crypto'
import fastify from 'fastify'
import { ANSWER, schema, where } from './listen.mjs'

const keys = new Map()

function keyOf (head) {
  const known = keys.get(head)
  if (known !== undefined) return known
  const key = createPublicKey({ key: JSON.parse(Buffer.from(head, 'base64url')).jwk, format: 'jwk' })
  keys.set(head, key)
  return key
}

const app = fastify()
// Where it is asked whether it is up.
app.get('/api/public', { schema }, () => ANSWER)
app.get('/api/private', { schema }, (request, reply) => {
  const { dpop } = request.headers
  const dot = dpop.lastIndexOf('.')
  const key = { key: keyOf(dpop.slice(0, dpop.indexOf('.'))), dsaEncoding: 'ieee-p1363' }
  if (verify('sha256', Buffer.from(dpop.slice(0, dot), 'latin1'), key, Buffer.from(dpop.slice(dot + 1), 'base64url'))) return ANSWER
  reply.code(401)
  return { message: 'Unauthorized' }
})
await app.listen(where)
