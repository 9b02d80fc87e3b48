// docs/reference/metrics.md: the metrics of a guard in a service of one's own, beside that service's own Prometheus registry.
import assert from 'node:assert/strict'
import Fastify from 'fastify'
import { scopegate } from 'scopegate'
import { createClient } from 'scopegate/client'
import { metrics } from 'scopegate/metrics'
import { startDevelopmentIssuer } from 'scopegate/testing'

const issuer = await startDevelopmentIssuer({ port: 0 })
const app = Fastify()
await app.register(scopegate, { issuer: issuer.issuer, audience: 'test_api' })
await app.register(metrics)
app.get(
  '/metrics',
  { config: { auth: 'public' } },
  async (request, reply) => reply.type(app.metrics.contentType).send(await app.metrics.text())
)
app.get('/reports', { config: { auth: { scopes: ['test_api_access'] } } }, (request) => ({ for: request.principal.clientId }))

const apiUrl = await app.listen({ port: 0, host: '127.0.0.1' })
const client = createClient({
  issuer: issuer.issuer, clientId: 'test_api_client', clientSecret: 'test-api-client-demo-secret', scope: ['test_api_access'], apiUrl
})
for (let call = 0; call < 3; call++) assert.equal((await client.fetch('/reports')).status, 200)
assert.equal((await fetch(`${apiUrl}/reports`)).status, 401)
assert.equal((await fetch(`${apiUrl}/reports`, { headers: { authorization: 'Bearer nonsense' } })).status, 401)

const response = await fetch(`${apiUrl}/metrics`)
assert.equal(response.status, 200)
assert.match(response.headers.get('content-type'), /^text\/plain/)
const lines = (await response.text()).split('\n')
/** The value of the one sample whose name and labels contain all of these. */
const value = (...parts) => {
  const found = lines.filter((line) => !line.startsWith('#') && parts.every((part) => line.includes(part)))
  assert.equal(found.length, 1, `${parts.join(' ')}: ${found.join(', ')}`)
  return Number(found[0].split(' ').at(-1))
}
const requests = (status) => value('scopegate_request_duration_seconds_count{', 'route="/reports"', `status="${status}"`)
assert.deepEqual([requests(200), requests(401)], [3, 2])
assert.equal(value('scopegate_client_token_request_duration_seconds_count{', 'outcome="ok"'), 1)
assert.equal(value('scopegate_refusals_total{', 'reason="not_three_parts"'), 1)
assert.ok(lines.some((line) => line.startsWith('process_cpu_seconds_total ')), 'and those of the process')

await client.close()
await app.close()
await issuer.close()
