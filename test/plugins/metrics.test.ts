import Fastify from 'fastify'
import t from 'tap'
import metrics from '../../plugins/metrics.ts'
import { scopegate } from '../../plugins/scopegate.ts'
import { client as clientEvents, keys } from '../../src/events.ts'
import { createTestIssuer } from '../../src/testing.ts'
import { newKey } from '../support/issuer.ts'
import { rawRequest, withoutValues } from '../support/metrics.ts'
import { raw, statusOf } from '../support/raw.ts'
import { startService, until } from '../support/service.ts'

const key = newKey('RS256')
const environment = { METRICS: 'on' }

t.test('requests by route, method and status; refusals by reason; verifications, cache and keys', async (t) => {
  const { get, ask, issuer } = await startService(t, { key, environment })
  const token = issuer.token({ scope: 'test_api_access' })
  for (const path of ['/api/private', '/api/private', '/api/private-scoped']) t.equal((await get(path, token)).status, 200)
  t.equal((await get('/api/private-scoped', issuer.token())).status, 403)
  t.equal((await get('/api/private')).status, 401)
  t.equal((await get('/nowhere?token=secret')).status, 404)
  await ask('/api/messages', {
    method: 'POST', body: '{', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  })
  const { text, headers } = await get('/metrics')
  t.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.equal(headers.get('cache-control'), 'no-store')
  for (const line of [
    'scopegate_request_duration_seconds_count{route="/api/private",method="GET",status="200"} 2',
    'scopegate_request_duration_seconds_count{route="/api/private",method="GET",status="401"} 1',
    'scopegate_request_duration_seconds_count{route="none",method="GET",status="404"} 1',
    'scopegate_request_duration_seconds_count{route="/api/messages",method="POST",status="400"} 1',
    'scopegate_request_duration_seconds_bucket{le="+Inf",route="/api/private",method="GET",status="200"} 2',
    'scopegate_refusals_total{reason="scope_missing"} 1',
    'scopegate_refusals_total{reason="credentials_missing"} 1',
    'scopegate_shed_requests_total 0',
    'scopegate_token_cache_hits_total 3',
    'scopegate_tokens_read_total 2',
    'scopegate_signature_checks_total 2',
    'scopegate_token_cache_entries 2',
    'scopegate_verification_queue_length 0',
    `scopegate_key_fetch_duration_seconds_count{issuer="${issuer.issuer}",result="ok"} 1`,
    `scopegate_key_fetch_duration_seconds_count{issuer="${issuer.issuer}",result="failed"} 0`,
    `scopegate_keys_known{issuer="${issuer.issuer}"} 1`,
    `scopegate_issuer_available{issuer="${issuer.issuer}"} 1`
  ]) t.ok(text.split('\n').includes(line), line)
  t.match(text, new RegExp(`^scopegate_keys_age_seconds\\{issuer="${issuer.issuer}"\\} [0-9.e-]+$`, 'm'))
  t.match(text, /^scopegate_token_cache_bytes [1-9]\d+$/m)
  t.match(text, /^process_cpu_seconds_total [^]*^nodejs_eventloop_/m)
  t.notMatch(text, /secret|nowhere/)
})

t.test('without keys: no age, the issuer unavailable, the conditions by name and severity', async (t) => {
  const { get, issuer } = await startService(t, { key, environment })
  issuer.behaviour = (_request, response) => response.writeHead(500).end()
  const app = await startService(t, { issuer, environment, impatient: true })
  await app.app.keyring.settled()
  const { text } = await app.get('/metrics')
  t.notMatch(text, /^scopegate_keys_age_seconds\{/m)
  t.match(text, `scopegate_issuer_available{issuer="${issuer.issuer}"} 0`)
  t.match(text, 'scopegate_condition{condition="keys_missing",severity="unavailable"} 1')
  const draining = 'scopegate_condition{condition="draining",severity="unavailable"}'
  t.match(text, `${draining} 0`, 'there before it is needed, for an alert on the last value')
  app.app.beginDrain()
  t.match((await app.get('/metrics')).text, `${draining} 1`)
  t.match((await get('/metrics')).text, `${draining} 0`)
})

t.test('10,000 odd paths, methods and clients make no new series', async (t) => {
  const { app, get, url, issuer } = await startService(t, { key, environment })
  const strange = issuer.token({ aud: 'other', azp: 'client-0' })
  for (const method of ['GET', 'PURGE']) await rawRequest(url, method, '/odd')
  await get('/api/private', strange)
  await get('/api/private', issuer.token({ scope: 'a' }))
  const before = withoutValues(await app.metrics.text())
  const odd = ['LOCK', 'MKCOL', 'PROPFIND', 'REPORT', 'SEARCH', 'PURGE', 'GET']
  for (let sent = 0; sent < 10_000; sent += 100) {
    await Promise.all(Array.from({ length: 100 }, async (_, at) => {
      const n = sent + at
      if (n % 100 === 0) await get('/api/private', issuer.token({ aud: 'other', azp: `client-${n}` }))
      else if (n % 100 === 1) await get('/api/private', issuer.token({ scope: 'a', azp: `client-${n}`, sub: `s${n}` }))
      else await app.inject({ method: (odd[n % odd.length] ?? 'GET') as 'GET', url: `/odd/${n}?${n}` })
    }))
  }
  t.same(withoutValues(await app.metrics.text()), before)
  t.match(await app.metrics.text(), /route="none",method="other",status="404"\} [1-9]\d{3}/)
})

t.test('a caller that leaves early is counted, without a duration', async (t) => {
  let begun = false
  const { app, url } = await startService(t, { key, environment, prepare: (app) => {
    app.get('/slow/:id', { config: { auth: 'public' } }, async () => { begun = true; return new Promise(() => undefined) })
  } })
  const leaving = new AbortController()
  const left = fetch(`${url}/slow/1`, { signal: leaving.signal }).catch(() => undefined)
  await until(() => begun)
  leaving.abort()
  await left
  let text = ''
  await until(() => {
    void app.metrics.text().then((now) => { text = now })
    return text.includes('scopegate_aborted_requests_total{route="/slow/:id",method="GET"} 1')
  })
  t.notMatch(text, 'count{route="/slow/:id"')
})

t.test('a request ends in one place: a caller that leaves after its body was read, and a body that cannot be read', async (t) => {
  let begun = 0
  const { app, url, issuer, lines } = await startService(t, { key, environment: { ...environment, AUDIT: 'on' }, prepare: (app) => {
    app.post('/slow', { config: { auth: 'public' } }, async () => { begun++; return new Promise(() => undefined) })
  } })
  const sum = async (name: string): Promise<number> => {
    const values = new RegExp(`^${name}(?:\\{.*\\})? (\\d+)$`, 'gm')
    return [...(await app.metrics.text()).matchAll(values)].reduce((all, [, value]) => all + Number(value), 0)
  }
  const counted = async (): Promise<Record<string, number>> => ({
    aborted: await sum('scopegate_aborted_requests_total'),
    early: await sum('scopegate_early_refusals_total'),
    ended: await sum('scopegate_request_duration_seconds_count')
  })
  const leaving = new AbortController()
  const left = Array.from({ length: 5 }, () => fetch(`${url}/slow`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}', signal: leaving.signal
  }).catch(() => undefined))
  await until(() => begun === 5)
  leaving.abort()
  await Promise.all(left)
  await until(() => lines.filter(({ status }) => status === 499).length === 5)
  t.same(await counted(), { aborted: 5, early: 0, ended: 0 })
  const head = `POST /api/messages HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${issuer.token({ scope: 'test_api_access' })}\r\n`
  const response = await raw({ url }, `${head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n`)
  t.equal(statusOf(response), 400)
  await until(() => lines.some(({ msg }) => msg === 'audit'))
  t.same(await counted(), { aborted: 5, early: 1, ended: 0 })
  t.match(lines.filter(({ route, status }) => route !== '/slow' && (status !== undefined || route !== undefined)), [
    { msg: 'a request that cannot be read', status: 400 }, { msg: 'audit', decision: 'allowed', route: '/api/messages' }
  ])
  for (let n = 0; n < 3; n++) t.equal(statusOf(await raw({ url }, 'GET /%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')), 400)
  t.same(await counted(), { aborted: 5, early: 4, ended: 0 })
})

t.test('in a host: a caller that leaves, before and after its body was read', async (t) => {
  const test = createTestIssuer()
  const app = Fastify()
  await app.register(scopegate, { issuer: test.issuer, audience: 'api', keys: test.keys })
  await app.register(metrics)
  let begun = 0
  app.route({
    url: '/slow', method: ['GET', 'POST'], config: { auth: 'public' }, handler: async () => { begun++; return new Promise(() => undefined) }
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  const leaving = new AbortController()
  const left = [{}, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }, { method: 'POST' }]
    .map((init) => fetch(`${url}/slow`, { ...init, signal: leaving.signal }).catch(() => undefined))
  await until(() => begun === 3)
  leaving.abort()
  await Promise.all(left)
  let text = ''
  await until(() => {
    void app.metrics.text().then((now) => { text = now })
    return text.includes('{route="/slow",method="GET"} 1') && text.includes('{route="/slow",method="POST"} 2')
  })
})

t.test('each refusal counts under its reason, also of a method that the path does not have, and of the rate limit', async (t) => {
  const { ask, get, issuer } = await startService(t, { key, environment: { ...environment, RATE_LIMIT_PER_MINUTE: '1' } })
  for (let n = 0; n < 5; n++) t.equal((await ask('/api/private', { method: 'DELETE' })).status, 401)
  for (let n = 0; n < 4; n++) {
    t.equal((await ask('/api/private', { method: 'PUT', headers: { authorization: 'Bearer x.y.z' } })).status, 401)
  }
  for (const status of [200, 429, 429]) t.equal((await get('/api/private', issuer.token())).status, status)
  const { text } = await get('/metrics')
  t.same(text.split('\n').filter((line) => line.startsWith('scopegate_refusals_total')).sort(), [
    'scopegate_refusals_total{reason="credentials_missing"} 5',
    'scopegate_refusals_total{reason="not_base64url"} 4',
    'scopegate_refusals_total{reason="rate_limited"} 2'
  ])
})

t.test('in a host of the plugin, with the client, and no metrics route of ours', async (t) => {
  const test = createTestIssuer({ alg: 'ES256' })
  const app = Fastify()
  await app.register(scopegate, { issuer: test.issuer, audience: 'api', algorithms: ['ES256'], keys: test.keys })
  await app.register(metrics)
  app.get('/a"b\\c', { config: { auth: { scopes: [] } } }, () => 'ok')
  await app.ready()
  t.equal((await app.inject({ url: '/a%22b%5Cc', headers: { authorization: `Bearer ${test.sign({ aud: 'api' })}` } })).statusCode, 200)
  t.equal((await app.inject('/metrics')).statusCode, 404)
  clientEvents.publish({ event: 'token', clientId: 'c', scope: [], outcome: 'ok', durationMs: 70 })
  clientEvents.publish({ event: 'warning', clientId: 'c', scope: [], code: 'scope_not_listed', message: '' })
  keys.publish({ event: 'fetched', issuer: 'https://foreign.example', result: 'ok', durationMs: 1, knownKeys: 1 })
  keys.publish({ event: 'available', issuer: test.issuer, afterMs: 1 })
  const text = await app.metrics.text()
  t.match(text, 'scopegate_request_duration_seconds_count{route="/a\\"b\\\\c",method="GET",status="200"} 1')
  t.match(text, 'scopegate_client_token_request_duration_seconds_bucket{le="0.1",outcome="ok"} 1')
  t.match(text, 'scopegate_client_token_request_duration_seconds_bucket{le="0.05",outcome="ok"} 0')
  t.notMatch(text, /scopegate_condition|foreign/)
  await app.close()
  clientEvents.publish({ event: 'token', clientId: 'c', scope: [], outcome: 'ok', durationMs: 70 })
  t.match(
    await app.metrics.text(),
    'scopegate_client_token_request_duration_seconds_count{outcome="ok"} 1',
    'nothing listens after the end'
  )
  await t.rejects((async () => { await Fastify().register(metrics) })(), /auth/, 'the guard comes first')
})

t.test('without METRICS there is no such route', async (t) => {
  const { get, app } = await startService(t, { key })
  t.equal((await get('/metrics')).status, 404)
  t.notOk(app.hasDecorator('metrics'))
})

t.test('too much under way counts as shed', async (t) => {
  const { app, get } = await startService(t, { key, environment, prepare: (app) => {
    app.get('/full', { config: { auth: 'public' } }, async () => {
      const { Unavailable } = await import('../../src/oauth/errors.ts')
      throw new Unavailable('overloaded', 1)
    })
  } })
  t.equal((await get('/full')).status, 503)
  t.match(await app.metrics.text(), /scopegate_refusals_total\{reason="overloaded"\} 1[^]*scopegate_shed_requests_total 1/)
})
