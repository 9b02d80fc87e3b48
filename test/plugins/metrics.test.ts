import Fastify from 'fastify'
import t from 'tap'
import metrics from '../../plugins/metrics.ts'
import { scopegate } from '../../plugins/scopegate.ts'
import { client as clientEvents, keys } from '../../src/events.ts'
import { createTestIssuer } from '../../src/testing.ts'
import { newKey } from '../support/issuer.ts'
import { rawRequest, withoutValues } from '../support/metrics.ts'
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
  t.notMatch(text, 'draining')
  app.app.beginDrain()
  t.match((await app.get('/metrics')).text, 'scopegate_condition{condition="draining",severity="unavailable"} 1')
  t.notMatch((await get('/metrics')).text, 'draining')
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
