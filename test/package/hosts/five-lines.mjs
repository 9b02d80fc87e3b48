// The five lines of the README, and a machine that calls them.
import assert from 'node:assert/strict'
import Fastify from 'fastify'
import scopegate from 'scopegate'
import { createClient } from 'scopegate/client'
import { startDevelopmentIssuer } from 'scopegate/testing'

const issuer = await startDevelopmentIssuer({ port: 0 })
const app = Fastify()

await app.register(scopegate, { issuer: issuer.issuer, audience: 'test_api' })
app.get('/reports', { config: { auth: { scopes: ['test_api_access'] } } }, (request) => ({ for: request.principal.clientId }))

const apiUrl = await app.listen({ port: 0, host: '127.0.0.1' })
const client = createClient({
  issuer: issuer.issuer, clientId: 'test_api_client', clientSecret: 'test-api-client-demo-secret', scope: ['test_api_access'], apiUrl
})

const accepted = await client.fetch('/reports')
assert.equal(accepted.status, 200)
assert.deepEqual(await accepted.json(), { for: 'test_api_client' })

const refused = await fetch(`${apiUrl}/reports`)
assert.equal(refused.status, 401)
assert.match(refused.headers.get('www-authenticate'), /^Bearer realm="scopegate", scope="test_api_access"$/)
assert.match(refused.headers.get('content-type'), /^application\/problem\+json/)

const narrow = await client.fetch('/reports', { scope: [] }).catch((error) => error)
assert.equal(narrow.code, 'insufficient_scope')
assert.deepEqual(narrow.missing, ['test_api_access'])
assert.equal(narrow.response.status, 403)
assert.equal((await narrow.response.json()).error, 'insufficient_scope')

await client.close()
await app.close()
await issuer.close()
