import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { crowd } from '../support/crowd.ts'
import { newKey } from '../support/issuer.ts'
import { raw, statusOf } from '../support/raw.ts'
import { startService, until, type Service, type ServiceOptions } from '../support/service.ts'
import { observed, type Observed } from './observed.ts'

/** Rows of docs/reference/fault-matrix.md: what callers do, and what they and operators see of it. */
const key = newKey('ES256')
const PUBLIC = 'GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n'

async function start (t: Test, { environment, ...options }: ServiceOptions = {}): Promise<Service & { readonly see: Observed }> {
  const service = await startService(t, { key, ...options, environment: { ALGORITHMS: 'ES256', METRICS: 'on', ...environment } })
  return { ...service, see: observed(service) }
}

function dial (t: Test, { url }: Service, text = ''): Socket {
  const socket = connect(Number(new URL(url).port), 'localhost', () => socket.write(text))
  t.teardown(() => socket.destroy())
  return socket.on('error', () => undefined)
}

function block (ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

t.test('more requests than can be served', async (t) => {
  const overload = { perTurnMs: 5, waitMs: 40, crowdedMs: 40, turns: 2, quietMs: 50 }
  const service = await start(t, {
    overload, prepare: (app) => app.get('/slow', { config: { auth: 'public' } }, () => { block(5); return '' })
  })
  const { see } = service
  const texts = await crowd(service, '/slow', 150)
  const refused = texts.filter((text) => statusOf(text) === 503)
  t.ok(refused.length > 0 && refused.every((text) => /^retry-after: 1\r$/im.test(text)))
  t.equal(texts.filter((text) => statusOf(text) === 200).length, 150 - refused.length)
  await until(() => see.lines(/^the overload is over/).length > 0)
  t.ok(see.lines(/^overload: requests that have waited/).length > 0)
  t.same([await see.metric('scopegate_shed_requests_total'), await see.metric('scopegate_requests_waiting')], [refused.length, 0])
  t.same(await see.ready(), { status: 200, conditions: [] })
})

t.test('callers that send slowly or not at all', async (t) => {
  const service = await start(t, { limits: { headersTimeoutMs: 200, requestTimeoutMs: 400, checkIntervalMs: 50 } })
  const { see } = service
  const head = await raw(service, 'GET /api/public HTTP/1.1\r\nHost:', 20_000)
  const body = await raw(
    service,
    `POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\nAuthorization: Bearer ${
      service.issuer.token({ scope: 'test_api_access' })}\r\n\r\n{"te`,
    20_000
  )
  t.same([statusOf(head), statusOf(body)], [408, 408])
  t.match(see.lines(/^a request that cannot be read$/), [{ status: 408 }, { status: 408 }])
  t.equal(await see.metric('scopegate_early_refusals_total{status="408"}'), 2)
})

t.test('heads that cannot be read', async (t) => {
  const service = await start(t)
  const { see } = service
  t.equal(statusOf(await raw(service, 'nonsense\r\n\r\n', 20_000)), 400)
  t.equal(statusOf(await raw(service, `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(30_000)}\r\n\r\n`, 20_000)), 431)
  t.match(see.lines(/^a request that cannot be read$/), [{ status: 400 }, { status: 431 }])
  for (const status of [400, 431]) t.equal(await see.metric(`scopegate_early_refusals_total{status="${status}"}`), 1)
})

t.test('too many idle connections', async (t) => {
  const service = await start(t, { environment: { MAX_CONNECTIONS: '10' } })
  const { see } = service
  let closed = 0
  for (let n = 0; n < 15; n++) dial(t, service, PUBLIC).on('close', () => { closed++ }).resume()
  await until(() => closed === 5)
  t.same([await see.metric('scopegate_connections'), await see.metric('scopegate_connections_closed_total')], [10, 5])
  t.equal(await see.metric('scopegate_request_duration_seconds_count{route="/api/public",method="GET",status="200"}'), 15)
})

t.test('too many requests at one time on a connection', async (t) => {
  const service = await start(t)
  const { see } = service
  const response = await raw(service, PUBLIC.repeat(200), 20_000)
  t.equal(response.split('HTTP/1.1 503').length - 1, 200 - 64)
  await until(() => see.lines(/^request$/).some(({ status }) => status === 503))
  t.equal(await see.metric('scopegate_early_refusals_total{status="503"}'), 1)
})

t.test('a client beyond RATE_LIMIT_PER_MINUTE', async (t) => {
  const { get, issuer, see } = await start(t, { environment: { RATE_LIMIT_PER_MINUTE: '2', LOG_REFUSALS_PER_SECOND: '1' } })
  const token = issuer.token()
  const responses = [
    await get('/api/private', token), await get('/api/private', token), await get('/api/private', token), await get('/api/private', token)
  ]
  t.same(responses.map(({ status }) => status), [200, 200, 429, 429])
  t.match(responses[2]?.headers.get('retry-after'), /^\d+$/)
  await until(() => see.lines(/^refused requests without a line/).length === 1)
  t.match(see.lines(/^refused requests without a line/), [{ reason: 'rate_limited', refused: 2, notLogged: 1 }])
  t.equal(await see.metric('scopegate_request_duration_seconds_count{route="/api/private",method="GET",status="429"}'), 2)
})

t.test('a caller that leaves early', async (t) => {
  let begun = false
  const service = await start(t, {
    prepare: (app) => app.get('/waits', { config: { auth: 'public' } }, async () => { begun = true; await new Promise(() => undefined) })
  })
  const { see } = service
  const socket = dial(t, service, 'GET /waits HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => begun)
  socket.destroy()
  await until(() => see.lines(/^request$/).some(({ status }) => status === 499))
  t.equal(await see.metric('scopegate_aborted_requests_total{route="/waits",method="GET"}'), 1)
})
