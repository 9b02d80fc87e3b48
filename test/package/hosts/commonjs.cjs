// A CommonJS host: require() gives the plugin itself, with the named exports as properties.
const assert = require('node:assert/strict')
const Fastify = require('fastify')
const scopegate = require('scopegate')
const { createTestIssuer } = require('scopegate/testing')

async function main () {
  assert.equal(typeof scopegate, 'function')
  assert.equal(scopegate.default, scopegate)
  assert.equal(typeof scopegate.Refusal, 'function')
  const issuer = createTestIssuer()
  const app = Fastify()
  app.register(scopegate, { issuer: issuer.issuer, audience: 'reports_api', keys: issuer.keySet })
  app.register(async (child) => {
    child.get('/reports', { config: { auth: { scopes: ['reports:read'] } } }, (request) => ({ for: request.principal.clientId }))
  })
  const token = issuer.sign({ aud: 'reports_api', scope: 'reports:read', azp: 'reporter' })
  const accepted = await app.inject({ url: '/reports', headers: { authorization: `Bearer ${token}` } })
  assert.deepEqual([accepted.statusCode, accepted.json()], [200, { for: 'reporter' }])
  assert.equal((await app.inject('/reports')).statusCode, 401)
  await app.close()
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
