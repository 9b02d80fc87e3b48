import { AsyncLocalStorage } from 'node:async_hooks'
import type { ServerResponse } from 'node:http'
import { context, propagation, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context, type ContextManager } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import t from 'tap'
import type { Test } from 'tap'
import { TRACING } from '../plugins/names.ts'
import { createClient } from '../src/client/client.ts'
import { isTraced, loadTracing } from '../src/traces.ts'
import { json, MINUTE, SECRET, story } from './client/fakes.ts'
import { newKey } from './support/issuer.ts'
import { raw, statusOf } from './support/raw.ts'
import { startService, until } from './support/service.ts'

/** As the context manager of the SDK for Node. */
class Contexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>()
  active (): Context { return this.#storage.getStore() ?? ROOT_CONTEXT }
  with: ContextManager['with'] = (active, work, self, ...values) =>
    this.#storage.run(active, () => work.call(self as ThisParameterType<typeof work>, ...values))

  bind: ContextManager['bind'] = (_context, target) => target
  enable (): this { return this }
  disable (): this { return this }
}

const key = newKey('RS256')
const exporter = new InMemorySpanExporter()
const named = (name: string): ReturnType<InMemorySpanExporter['getFinishedSpans']> =>
  exporter.getFinishedSpans().filter((span) => span.name === name)
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const traceparent = `00-${TRACE}-00f067aa0ba902b7-01`

t.test('without an SDK nothing is loaded, and a traceparent changes nothing', async (t) => {
  t.notOk(isTraced())
  t.equal(await loadTracing(), undefined)
  const { app, get, issuer, lines } = await startService(t, { key })
  t.equal(app[TRACING], undefined)
  t.equal((await get('/api/private', issuer.token(), { traceparent })).status, 200)
  await until(() => lines.some(({ msg }) => msg === 'request'))
  t.notMatch(JSON.stringify(lines), 'trace_id')
})

t.test('with an SDK', async (t) => {
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  context.setGlobalContextManager(new Contexts())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  t.teardown(() => { trace.disable(); context.disable(); propagation.disable() })
  t.ok(isTraced())
  const downstream = await startService(t, { key })
  const client = createClient({
    tokenEndpoint: `${downstream.issuer.issuer}/protocol/openid-connect/token`, clientId: 'a', clientSecret: 'b', apiUrl: downstream.url,
    allowInsecureHttp: true
  })
  t.teardown(() => client.close())
  downstream.issuer.behaviour = (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(
      request.method === 'POST' ? { access_token: downstream.issuer.token(), token_type: 'Bearer', expires_in: 300 } : { keys: [key.jwk] }
    ))
  }
  const { get, ask, issuer, lines } = await startService(t, { key, prepare: (app) => {
    app.post('/onwards', { config: { auth: { scopes: [] } } }, async (request) => {
      request.log.info('from the handler')
      return await (await client.fetch('/api/private')).json()
    })
  } })
  t.equal(named('scopegate.fetch_keys').length >= 2, true)
  t.ok(named('scopegate.fetch_keys').every(({ parentSpanContext }) => parentSpanContext === undefined))
  exporter.reset()

  const token = issuer.token()
  for (let call = 0; call < 3; call++) t.equal((await get('/api/private', token, { traceparent })).status, 200)
  t.equal(named('scopegate.verify').length, 1, 'a cached token makes no span')
  t.match(named('scopegate.verify')[0], {
    parentSpanContext: { traceId: TRACE, spanId: '00f067aa0ba902b7' }, status: { code: SpanStatusCode.UNSET }
  })
  exporter.reset()

  t.equal((await get('/api/private', issuer.token({ aud: 'other' }), { traceparent })).status, 401)
  t.match(named('scopegate.verify')[0], {
    status: { code: SpanStatusCode.ERROR, message: 'audience_mismatch' }, attributes: { 'error.type': 'audience_mismatch' }
  })
  exporter.reset()

  const init = {
    method: 'POST', body: '{}', headers: { 'content-type': 'application/json', authorization: `Bearer ${token}`, traceparent }
  }
  t.equal((await ask('/onwards', init)).status, 200)
  t.match(named('scopegate.request_token')[0], { parentSpanContext: { traceId: TRACE }, attributes: { 'scopegate.client_id': 'a' } })
  t.equal(named('scopegate.verify').length, 1)
  t.equal(named('scopegate.verify')[0]?.spanContext().traceId, TRACE, 'the API that the handler calls continues the trace')
  await until(() => lines.filter(({ msg }) => msg === 'request').length === 5)
  t.ok(lines.filter(({ msg }) => msg === 'request' || msg === 'from the handler').every(({ trace_id: id }) => id === TRACE))

  t.equal((await get('/api/private', token, { traceparent: 'no trace' })).status, 200)
  await until(() => lines.filter(({ msg }) => msg === 'request').length === 6)
  t.notOk('trace_id' in (lines.at(-1) ?? {}))
  t.notMatch(JSON.stringify(exporter.getFinishedSpans().map(({ attributes, name }) => [attributes, name])), token.slice(-20))
  exporter.reset()
  await linesOfRefusals(t)
  await tokenRequests(t)
})

/** Also of requests that are refused before a hook of ours, or before Fastify. */
async function linesOfRefusals (t: Test): Promise<void> {
  const service = await startService(t, { key, environment: { AUDIT: 'on' } })
  const { issuer, lines } = service
  const token = issuer.token()
  const head = `Host: x\r\nConnection: close\r\ntraceparent: ${traceparent}\r\n`
  const requests = [
    [200, `GET /api/private HTTP/1.1\r\n${head}Authorization: Bearer ${token}\r\n\r\n`],
    [401, `GET /api/private HTTP/1.1\r\n${head}\r\n`],
    [401, `DELETE /api/private HTTP/1.1\r\n${head}\r\n`],
    [405, `DELETE /api/public HTTP/1.1\r\n${head}\r\n`],
    [400, `GET /api/public HTTP/1.1\r\n${head.replace('Host: x\r\n', '')}\r\n`],
    [400, `GET /%zz HTTP/1.1\r\n${head}\r\n`],
    [417, `POST /api/messages HTTP/1.1\r\n${head}Expect: odd\r\nContent-Length: 1\r\n\r\n`],
    [405, `CONNECT a:1 HTTP/1.1\r\n${head}\r\n`]
  ] as const
  for (const [status, text] of requests) t.equal(statusOf(await raw(service, text)), status, text)
  const told = (): typeof lines => lines.filter(({ msg }) => msg === 'request' || msg === 'audit')
  await until(() => told().length === requests.length + 3)
  for (const { msg, method, route, status, trace_id: id } of told()) t.equal(id, TRACE, [msg, method, route, status].join(' '))
  exporter.reset()
}

async function tokenRequests (t: Test): Promise<void> {
  const { client, issuer, clock } = await story(t, { scope: ['one'] })
  const { hostname, port } = new URL(issuer.url)
  const attributes = {
    'scopegate.client_id': 'client one', 'scopegate.scope': 'one',
    'http.request.method': 'POST', 'server.address': hostname, 'server.port': Number(port)
  }
  const caller = trace.getTracer('caller').startSpan('job')
  const inJob = async (work: () => Promise<unknown>): Promise<ReturnType<typeof named>[number]> => {
    exporter.reset()
    await context.with(trace.setSpan(context.active(), caller), work)
    const spans = named('scopegate.request_token')
    t.equal(spans.length, 1)
    t.notMatch(
      JSON.stringify(spans.map((span) => [span.name, span.attributes, span.status, span.events, span.links])),
      /token-|s3cr/,
      'no secret'
    )
    return spans[0]!
  }
  const span = await inJob(() => client.fetch('/'))
  t.match(span, { kind: SpanKind.CLIENT, status: { code: SpanStatusCode.UNSET } })
  t.equal(span.parentSpanContext?.spanId, caller.spanContext().spanId)
  t.same(span.attributes, { ...attributes, 'http.response.status_code': 200 })
  await client.token()
  t.equal(named('scopegate.request_token').length, 1, 'a token that is kept makes no span')
  const failures = [
    [json(401, { error: 'invalid_client', error_description: SECRET }), 'credentials_refused', { 'http.response.status_code': 401 }],
    [json(503, SECRET), 'issuer_unreachable', { 'http.response.status_code': 503 }],
    [(response: ServerResponse) => response.destroy(), 'issuer_unreachable', {}]
  ] as const
  for (const [respond, code, more] of failures) {
    clock.ms += 24 * 60 * MINUTE
    issuer.respond = respond
    const failed = await inJob(() => t.rejects(client.token(), { code }))
    t.match(failed, { parentSpanContext: { spanId: caller.spanContext().spanId }, status: { code: SpanStatusCode.ERROR, message: code } })
    t.same(failed.attributes, { ...attributes, ...more, 'error.type': code })
  }
  caller.end()
}
