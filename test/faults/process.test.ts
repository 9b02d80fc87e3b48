// In a process of its own: it waits for processes.
import { createServer, type AddressInfo } from 'node:net'
import { pino } from 'pino'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { BlockWriter } from '../../src/block-writer.ts'
import { loadConfig } from '../../src/config.ts'
import { boundTo, holder, proof } from '../support/dpop.ts'
import { freePort } from '../support/free-port.ts'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { serve } from '../support/server-process.ts'
import { startService, until, type Service, type ServiceOptions } from '../support/service.ts'
import { observed, valueOf, type Observed } from './observed.ts'

/** Rows of docs/reference/fault-matrix.md: faults of what the process needs, and its end. */
const key = newKey('ES256')
const PUBLIC_URL = 'https://api.example.com'

async function start (t: Test, { environment, ...options }: ServiceOptions = {}): Promise<Service & { readonly see: Observed }> {
  const service = await startService(t, { key, ...options, environment: { ALGORITHMS: 'ES256', METRICS: 'on', ...environment } })
  return { ...service, see: observed(service) }
}

/** A Redis that ends every connection. */
async function brokenRedis (t: Test): Promise<string> {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  t.teardown(() => server.close())
  return `redis://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('Redis unreachable, with RATE_LIMIT_PER_MINUTE', async (t) => {
  const { get, issuer, see } = await start(t, { environment: { RATE_LIMIT_PER_MINUTE: '1', REDIS_URL: await brokenRedis(t) } })
  await until(() => see.lines(/^Redis is unavailable: clients are not limited/).length === 1)
  for (let at = 0; at < 3; at++) t.equal((await get('/api/private', issuer.token())).status, 200)
  t.equal(see.lines(/^Redis is unavailable: clients/).length, 1)
  t.same(await see.ready(), { status: 200, conditions: ['rate_limit_unavailable'] })
  t.equal(await see.metric('scopegate_condition{condition="rate_limit_unavailable",severity="degraded"}'), 1)
})

t.test('Redis unreachable, with DPOP', async (t) => {
  const { get, ask, issuer, see } = await start(t, { environment: { DPOP: 'allowed', PUBLIC_URL, REDIS_URL: await brokenRedis(t) } })
  await until(() => see.lines(/^Redis is unavailable/).length === 1)
  const owner = holder()
  const token = issuer.token(boundTo(owner))
  const response = await ask(
    '/api/private',
    { headers: { authorization: `DPoP ${token}`, dpop: proof(owner, { url: `${PUBLIC_URL}/api/private`, token }) } }
  )
  t.same([response.status, response.headers.get('retry-after')], [503, '1'])
  t.equal((await get('/api/private', issuer.token())).status, 200, 'bearer tokens are not affected')
  t.same(await see.ready(), { status: 200, conditions: ['replays_unavailable'] })
  t.same([
    await see.metric('scopegate_condition{condition="replays_unavailable",severity="degraded"}'),
    await see.metric('scopegate_refusals_total{reason="replays_unavailable"}')
  ], [1, 1])
})

t.test('the reader of the log is stuck', async (t) => {
  // A writer whose first block never gets out: a descriptor that takes nothing would have to be filled first.
  const writer = new BlockWriter({ fd: 9999, blockBytes: 1 << 20, afterMs: 60_000, maxPendingBytes: 2_000 })
  const app = await buildApp(loadConfig({ ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', METRICS: 'on' }), {
    logger: pino({ base: null }, { write: (line) => writer.write(line) }), droppedLines: () => writer.droppedInAll
  })
  t.teardown(() => app.close())
  for (let at = 0; at < 50; at++) t.equal((await app.inject('/api/public')).statusCode, 200)
  const dropped = valueOf(await app.metrics.text(), 'scopegate_log_lines_dropped_total') ?? 0
  t.ok(dropped > 20, `${dropped} lines`)
})

t.test('the log cannot be written', async (t) => {
  const issuer = await TestIssuer.start(key)
  t.teardown(() => issuer.stop())
  const port = await freePort()
  const server = serve(t, {
    ISSUER: issuer.issuer, AUDIENCE: 'test_api', ALGORITHMS: 'ES256', HOST: '127.0.0.1', PORT: String(port), METRICS: 'on',
    NODE_ENV: 'production'
  })
  await until(() => server.out().includes('accepts access tokens of'), 60_000)
  server.child.stdout?.destroy()
  const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`)
  for (let at = 0; at < 20; at++) t.equal((await get('/api/public')).status, 200)
  let dropped = 0
  await until(() => {
    void get('/metrics').then((response) => response.text()).then((text) => {
      dropped = valueOf(text, 'scopegate_log_lines_dropped_total') ?? 0
    })
    return dropped >= 20
  }, 20_000)
  server.child.kill('SIGINT')
  t.equal(await server.code, 0)
})

t.test('an error of a handler', async (t) => {
  const { get, see } = await start(
    t,
    { prepare: (app) => app.get('/broken', { config: { auth: 'public' } }, () => { throw new Error('secret detail') }) }
  )
  const response = await get('/broken')
  t.equal(response.status, 500)
  t.notMatch(response.text, 'secret detail')
  t.match(see.lines(/^an error of this service$/), [{ level: 50, err: { message: 'secret detail' } }])
  t.equal(await see.metric('scopegate_request_duration_seconds_count{route="/broken",method="GET",status="500"}'), 1)
})

t.test('SIGTERM', async (t) => {
  const issuer = await TestIssuer.start(key)
  t.teardown(() => issuer.stop())
  const environment = {
    ISSUER: issuer.issuer, AUDIENCE: 'test_api', ALGORITHMS: 'ES256', HOST: '127.0.0.1', PORT: '0', MANAGEMENT_PORT: '0',
    NODE_ENV: 'production'
  }
  const server = serve(t, environment)
  await until(() => server.out().includes('keys are known') && server.out().includes('accepts access tokens of'), 60_000)
  const [api, management] =
    [/"listening on (http:[^"]+)"/, /health listen on (http:[^"]+)"/].map((line) => line.exec(server.out())?.[1] ?? '')
  server.child.kill('SIGTERM')
  await until(() => server.out().includes('"the process exits"'), 20_000)
  const served = await fetch(`${api}/api/public`)
  t.same([served.status, served.headers.get('connection')], [200, 'close'])
  const ready = await fetch(`${management}/health/ready`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { conditions: { draining: String } })
  t.equal(
    valueOf(await (await fetch(`${management}/metrics`)).text(), 'scopegate_condition{condition="draining",severity="unavailable"}'),
    1
  )
  t.equal(await server.code, 0)
})

t.test('a wrong configuration', async (t) => {
  const server = serve(t, { ISSUER: 'nonsense', PORT: 'abc' })
  t.equal(await server.code, 1)
  t.match(server.err(), /cannot start: \d errors in the configuration/)
  t.equal(server.out(), '', 'nothing listens: Prometheus has up 0')
})
