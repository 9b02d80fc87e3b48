/** A service that requires a token and calls another one with a token of its own; both calls are parts of the caller's trace. */
import { trace } from '@opentelemetry/api'
import Fastify from 'fastify'
import scopegate from 'scopegate'
import { createClient } from 'scopegate/client'

const { ISSUER, AUDIENCE, API_URL, CLIENT_ID, CLIENT_SECRET, PORT = '50101' } = process.env

const client = createClient({
  issuer: ISSUER, clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, scope: ['test_api_access'], apiUrl: API_URL
})
/** Each line of the log names the trace that it belongs to. */
const mixin = () => {
  const span = trace.getActiveSpan()
  return span === undefined ? {} : { trace_id: span.spanContext().traceId }
}
const app = Fastify({ logger: { mixin } })
await app.register(scopegate, { issuer: ISSUER, audience: AUDIENCE })
app.addHook('onClose', () => client.close())

app.get('/report', { config: { auth: { scopes: [] } } }, async (request) => {
  request.log.info('the report is requested from the API')
  const response = await client.fetch('/api/private-scoped')
  return { status: response.status, ...await response.json() }
})

await app.listen({ host: 'localhost', port: Number(PORT) })
