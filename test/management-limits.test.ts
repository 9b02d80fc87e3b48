// In a process of its own: one test replaces dns.lookup.
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Limits } from '../plugins/limited-server.ts'
import { buildManagement, MANAGEMENT_LIMITS } from '../src/management.ts'
import { newKey, TestIssuer } from './support/issuer.ts'
import { bodyOf, headersOf, raw, statusOf } from './support/raw.ts'
import { serve } from './support/server-process.ts'
import { startService, until } from './support/service.ts'
import { ADDRESSES, twoAddresses } from './support/two-addresses.ts'

const key = newKey()
const PROBE = 'GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
const HALF_A_BODY = 'POST /health/live HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a"'

interface Management {
  readonly management: FastifyInstance
  readonly url: string
  /** Of the first address. */
  readonly open: () => Promise<number>
  readonly requests: () => number
}

async function start (t: Test, limits: Partial<Limits> = {}, host = '127.0.0.1'): Promise<Management> {
  const { app } = await startService(t, { key, environment: { METRICS: 'on' } })
  const management = await buildManagement(app, limits)
  const url = await management.listen({ host, port: 0 })
  t.teardown(() => management.close())
  const open = (): Promise<number> => new Promise((resolve) => { management.server.getConnections((_error, count) => resolve(count)) })
  let requests = 0
  management.server.on('request', () => { requests++ })
  return { management, url, open, requests: () => requests }
}

/** Connections that have sent this and nothing more; they are never closed from here before the end of the test. */
async function hold (t: Test, url: string, count: number, text: string): Promise<Socket[]> {
  const { hostname, port } = new URL(url)
  const sockets = Array.from({ length: count }, () => connect(Number(port), hostname).on('error', () => undefined).resume())
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('connect', () => socket.write(text, resolve)))))
  return sockets
}

t.test('connections that send nothing, or half of something, do not keep a probe from its response', async (t) => {
  const cases = [
    ['nothing', ''], ['half a head', 'GET /health/live HTTP/1.1\r\nHost:'], ['half a body', HALF_A_BODY],
    ['a request, then nothing', PROBE.replace('close', 'keep-alive')]
  ] as const
  for (const count of [64, 200]) {
    for (const [name, text] of cases) {
      const { url, open } = await start(t)
      const sockets = await hold(t, url, count, text)
      const gone = new Promise((resolve) => sockets[0]?.once('close', resolve))
      for (const path of ['/health/live', '/health/ready', '/metrics']) {
        t.equal(statusOf(await raw({ url }, PROBE.replace('/health/live', path))), 200, `${path} with ${count} connections: ${name}`)
      }
      await gone
      t.ok(await open() <= 64)
    }
  }
})

t.test('heads that are sent byte by byte do not keep a probe from its response', async (t) => {
  const { url } = await start(t)
  const sockets = await hold(t, url, 64, 'GET /health/live HTTP/1.1\r\nX: ')
  const dripping = setInterval(() => { for (const socket of sockets) if (socket.writable) socket.write('x') }, 20)
  t.teardown(() => clearInterval(dripping))
  for (let n = 0; n < 5; n++) t.equal(statusOf(await raw({ url }, PROBE)), 200)
})

t.test('beyond the bound the oldest connection of the management listener is closed, idle or not', async (t) => {
  const { url, requests } = await start(t, { connections: 4 })
  const [busy] = await hold(t, url, 1, HALF_A_BODY)
  await until(() => requests() === 1)
  const [silent] = await hold(t, url, 1, '')
  await hold(t, url, 2, HALF_A_BODY)
  await until(() => requests() === 3)
  t.notOk(busy?.destroyed)
  t.equal(statusOf(await raw({ url }, PROBE)), 200)
  await until(() => busy?.destroyed === true)
  t.notOk(silent?.destroyed)
})

t.test('the management listener ends connections that are silent or slow', async (t) => {
  t.match(MANAGEMENT_LIMITS, { headersTimeoutMs: 10_000, requestTimeoutMs: 10_000, checkIntervalMs: 1_000, connections: 64 })
  const { management } = await start(t)
  t.match(management.server, { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 30_000, timeout: 30_000 })
  const limits = { headersTimeoutMs: 300, requestTimeoutMs: 600, checkIntervalMs: 50, keepAliveTimeoutMs: 300, connectionTimeoutMs: 900 }
  const { url } = await start(t, limits)
  for (const [name, text, status] of [
    ['nothing', '', 408], ['half a head', 'GET /health/live HTTP/1.1\r\nHost:', 408], ['half a body', HALF_A_BODY, 408],
    ['a request, then nothing', PROBE.replace('close', 'keep-alive'), 200]
  ] as const) {
    const response = await raw({ url }, text, 20_000)
    t.same([...response.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, found]) => Number(found)), [status], `${name}: one response, then the end`)
  }
  const silent = await start(t, { connectionTimeoutMs: 300 })
  t.equal(await raw({ url: silent.url }, HALF_A_BODY, 20_000), '', 'without a byte in either direction')
})

t.test('the management listener bounds heads, bodies, and requests on one connection', async (t) => {
  const { url } = await start(t)
  const head = (bytes: number): string => PROBE.replace('Host: a', `Host: a\r\nX: ${'x'.repeat(bytes)}`)
  t.equal(statusOf(await raw({ url }, head(7_000))), 200)
  t.equal(statusOf(await raw({ url }, head(8_192))), 431)
  t.equal(statusOf(await raw({ url }, HALF_A_BODY.replace('Length: 9', 'Length: 1025'))), 413)
  t.equal(statusOf(await raw({ url }, PROBE.replace('Host: a\r\n', ''))), 400, 'HTTP/1.1 without Host')
  const many = await raw({ url }, PROBE.replace('close', 'keep-alive').repeat(200), 5_000)
  const statuses = [...many.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
  t.same(statuses, Array.from({ length: 200 }, (_, n) => n < 4 ? 200 : 503))
  t.match(bodyOf(many.slice(many.indexOf('HTTP/1.1 503'))), /"status":503/)
})

t.test('every address of localhost has the management listener, with the same limits and one bound for all', async (t) => {
  twoAddresses(t)
  const { management, url, requests } = await start(t, { connections: 4, headersTimeoutMs: 300, checkIntervalMs: 50 }, 'localhost')
  t.same((management.addresses() as AddressInfo[]).map(({ address }) => address).sort(), ADDRESSES)
  const places = ADDRESSES.map((address) => `http://${address}:${new URL(url).port}`)
  for (const place of places) {
    const upgrade = await raw({ url: place }, PROBE.replace('Connection: close', 'Connection: Upgrade\r\nUpgrade: websocket'), 5_000)
    t.equal(statusOf(upgrade), 200)
    t.equal(statusOf(await raw({ url: place }, 'GET / HTTP/1.1\r\nX:', 20_000)), 408)
  }
  const before = requests()
  const first = await hold(t, url, 4, HALF_A_BODY)
  await until(() => requests() === before + 4)
  await hold(t, url.replace('127.0.0.1', '127.0.0.2'), 4, HALF_A_BODY)
  await until(() => first.every(({ destroyed }) => destroyed))
  for (const place of places) t.equal(statusOf(await raw({ url: place }, PROBE)), 200)
})

t.test('silent connections do not hide the drain, and do not delay the end of the process', async (t) => {
  const issuer = await TestIssuer.start(key)
  t.teardown(() => issuer.stop())
  const server = serve(t, {
    ISSUER: issuer.issuer, AUDIENCE: 'test_api', PORT: '0', HOST: '127.0.0.1', MANAGEMENT_PORT: '0', NODE_ENV: 'production'
  })
  await until(() => server.out().includes('accepts access tokens of'), 60_000)
  const url = /"metrics and health listen on (http:[^"]+)"/.exec(server.out())?.[1] ?? ''
  await hold(t, url, 200, '')
  server.child.kill('SIGTERM')
  await until(() => server.out().includes('the process exits'))
  const ready = await raw({ url }, PROBE.replace('live', 'ready'))
  t.equal(statusOf(ready), 503)
  t.match(headersOf(ready), /application\/json/)
  t.match(bodyOf(ready), /"draining"/)
  t.equal(await server.code, 0)
})
