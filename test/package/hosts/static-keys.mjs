// How a team tests its own protected routes: no network, no issuer, app.inject.
import assert from 'node:assert/strict'
import Fastify from 'fastify'
import scopegate, { Refusal } from 'scopegate'
import { createTestIssuer } from 'scopegate/testing'

const issuer = createTestIssuer()
const app = Fastify()
const seen = []
app.setErrorHandler((error, request, reply) => {
  seen.push(error)
  return reply.code(error.statusCode ?? 500).send({ mine: error.reason ?? 'other' })
})
await app.register(scopegate, { issuer: issuer.issuer, audience: 'reports_api', keys: issuer.keySet, errors: 'throw' })
app.get('/reports', { config: { auth: { scopes: ['reports:read'] } } }, (request) => ({ for: request.principal.clientId }))

const call = (claims) =>
  app.inject({ url: '/reports', headers: { authorization: `Bearer ${issuer.sign({ aud: 'reports_api', azp: 'reporter', ...claims })}` } })
assert.equal((await call({ scope: 'reports:read' })).statusCode, 200)
const refused = await call({ scope: 'email' })
assert.equal(refused.statusCode, 403)
assert.deepEqual(refused.json(), { mine: 'scope_missing' })
assert.match(refused.headers['www-authenticate'], /error="insufficient_scope"/)
assert.equal(refused.headers['cache-control'], 'no-store')
assert.ok(seen[0] instanceof Refusal)
assert.equal((await call({ scope: 'reports:read', exp: 1 })).json().mine, 'expired')
assert.equal((await call({ scope: 'reports:read', aud: 'other' })).json().mine, 'audience_mismatch')
await app.close()
