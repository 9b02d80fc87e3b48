// In a process of its own: it keeps the process busy.
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { connected, crowd } from '../support/crowd.ts'
import { newKey, type Json } from '../support/issuer.ts'
import { startService, until, type Service } from '../support/service.ts'

const key = newKey()

function block (ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

const statusOf = (text: string): string => text.slice(9, 12)

async function slowService (t: Test, overload: object, blockMs = 5): Promise<Service> {
  return await startService(t, {
    key,
    overload,
    environment: { METRICS: 'on' },
    prepare: (app) => app.get('/slow', { config: { auth: 'public' } }, () => { block(blockMs); return 'served' })
  })
}

t.test('beyond what can be served in time: 503 with Retry-After, one line where it begins and one where it ends, ' +
  'and then all is served', async (t) => {
  const service = await slowService(t, { perTurnMs: 5, waitMs: 40, crowdedMs: 40, turns: 2, quietMs: 50 })
  const texts = await crowd(service, '/slow', 150)
  const refused = texts.filter((text) => statusOf(text) === '503')
  t.same([...new Set(texts.map(statusOf))].sort(), ['200', '503'], 'nothing but these')
  for (const text of refused) {
    t.match(text, /^retry-after: 1\r$/im)
    t.match(text, /^content-type: application\/problem\+json/im)
    t.match(text, /"title":"Service Unavailable","status":503,"request_id":"[\w-]{36}"/)
  }
  t.equal(service.app.listeners.admission.shed, refused.length)
  t.ok((await service.app.metrics.text()).includes(`\nscopegate_shed_requests_total ${refused.length}\n`), 'the metric counts them')
  const told = (): Json[] => service.lines.filter(({ msg }) => /overload/.test(String(msg)))
  // A process that was paused in between has had two.
  await until(() => told().reduce((sum, { refused: count = 0 }) => sum + Number(count), 0) === refused.length)
  t.match(told()[0], { level: 40, msg: /^overload: requests that have waited for more than 40 ms/ })
  t.match(told().at(-1), { level: 30, msg: 'the overload is over' })
  t.equal(service.app.listeners.admission.waiting, 0)
  // One after another: three at once would be a crowd for a process that gets no core.
  for (let n = 0; n < 3; n++) t.same((await crowd(service, '/slow', 1)).map(statusOf), ['200'])
})

t.test('a large crowd is overload in half of the time, until nothing waits', async (t) => {
  const service = await slowService(t, { perTurnMs: 5, waitMs: 40, crowdedMs: 1_000, turns: 2, crowd: 80 })
  const statuses = (await crowd(service, '/slow', 200)).map(statusOf)
  const served = statuses.filter((status) => status === '200').length
  // 5 ms each: 100 until then, and all 200 within the whole time.
  t.ok(served > 0 && served <= 150, `${served} served`)
  t.equal(served + statuses.filter((status) => status === '503').length, 200)
})

t.test('a crowd that is served in time is served whole, in turns', async (t) => {
  const service = await slowService(t, { perTurnMs: 1, waitMs: 60_000, crowdedMs: 0, turns: 1 }, 1)
  t.same([...new Set((await crowd(service, '/slow', 200)).map(statusOf))], ['200'])
})

t.test('one long pause of the process is not overload', async (t) => {
  const service = await slowService(t, { perTurnMs: 1, waitMs: 1, crowdedMs: 0, turns: 1_000_000 }, 2)
  t.same([...new Set((await crowd(service, '/slow', 50)).map(statusOf))], ['200'], 'the queue was not crowded for so many turns in a row')
})

t.test('the number that waits is bounded', async (t) => {
  const service = await slowService(t, { perTurnMs: 0, waiting: 0 })
  t.same((await crowd(service, '/slow', 4)).map(statusOf), ['503', '503', '503', '503'])
  t.same((await crowd(service, '/health/live', 4)).map(statusOf), ['200', '200', '200', '200'], 'probes never wait')
  t.same((await crowd(service, '/health/ready?x', 1)).map(statusOf), ['200'])
  t.same((await crowd(service, '/health/readyx', 1)).map(statusOf), ['503'], 'only they')
})

t.test('a refused request keeps its connection, unless the rest of its body would be read as the next request', async (t) => {
  const service = await slowService(t, { perTurnMs: 0, waiting: 0 })
  const { headers } = await service.get('/slow')
  t.equal(headers.get('connection'), 'keep-alive')
  const long = await service.ask('/slow', { method: 'POST', body: 'x'.repeat(70_000) })
  t.match(long, { status: 503 })
  t.equal(long.headers.get('connection'), 'close')
})

t.test('a suspect whose request was refused is expected to come back; nobody else is remembered', async (t) => {
  for (const standing of ['known', 'new', 'suspect'] as const) {
    const service = await slowService(t, { perTurnMs: 0, waiting: 0 })
    const { listeners } = service.app
    const caller = { address: '192.0.2.1', client: 'c' }
    const turnedAway: unknown[] = []
    Object.assign(listeners, { callerOf: () => ({ caller, standing }), turnedAway: (one: unknown) => { turnedAway.push(one) } })
    t.same((await crowd(service, '/slow', 3)).map(statusOf), ['503', '503', '503'])
    t.same(turnedAway, standing === 'suspect' ? [caller, caller, caller] : [])
  }
})

t.test('behind a suspect address, a token that was refused unread is taken as that of a new caller when it comes back', async (t) => {
  const service = await slowService(t, { perTurnMs: 0, waiting: 0 })
  const { listeners, verification } = service.app
  const [signed, other] = [service.issuer.token({ jti: '1' }), service.issuer.token({ jti: '2' })]
  const forged = signed.slice(0, signed.lastIndexOf('.')) + other.slice(other.lastIndexOf('.'))
  const context = { ip: '127.0.0.1', raw: { socket: { destroyed: false } } } as never
  const refusal: unknown = await Promise.resolve().then(() => verification.verify(forged, context)).catch((error: unknown) => error)
  t.match(refusal, { reason: 'signature_invalid' })
  const token = service.issuer.token({ azp: 'victim', client_id: 'victim' })
  const standings: string[] = []
  const { callerOf } = listeners
  listeners.callerOf = (request) => {
    const presented = callerOf(request)
    standings.push(presented.standing)
    return presented
  }
  for (let n = 0; n < 2; n++) t.equal((await service.get('/api/private', token)).status, 503)
  t.same(standings, ['suspect', 'new'])
})

t.test('a request whose caller has left while it waited is not served', async (t) => {
  let served = 0
  const service = await startService(t, {
    key,
    overload: { perTurnMs: 5 },
    prepare: (app) => app.get('/count', { config: { auth: 'public' } }, () => { served++; block(20); return '' })
  })
  const port = Number(new URL(service.url).port)
  const sockets = await connected(port, 20)
  for (const socket of sockets) socket.write('GET /count HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => served > 0)
  for (const socket of sockets) socket.destroy()
  await until(() => service.app.listeners.admission.waiting === 0)
  t.ok(served < 20, `${served} of 20`)
})

interface Flood {
  readonly name: string
  readonly environment: Record<string, string>
  /** Of the nth request. */
  readonly headers: (n: number) => string
  /** Of the nth victim. */
  readonly victim: (service: Service, n: number) => string
}

/** One of them may share the line of the flood by chance, one time in 256. */
const VICTIMS = 3

const unsigned = (azp: string): string => `Authorization: Bearer e30.${Buffer.from(JSON.stringify({ azp })).toString('base64url')}.c2ln\r\n`

const FLOODS: readonly Flood[] = [
  {
    name: 'another address',
    environment: { TRUST_PROXY: 'loopback' },
    headers: () => 'X-Forwarded-For: 192.0.2.66\r\n',
    victim: (_service, n) => `X-Forwarded-For: 198.51.100.${n}\r\n`
  },
  {
    name: 'another client of the same address',
    environment: {},
    headers: () => unsigned('attacker'),
    victim: (_service, n) => unsigned(`victim-${n}`)
  },
  {
    name: 'a token that was verified before, while the same address sends random clients',
    environment: {},
    headers: (n) => unsigned(`random-${n}`),
    victim: ({ issuer }) => `Authorization: Bearer ${issuer.token({ jti: 'victim' })}\r\n`
  }
]

for (const { name, environment, headers, victim } of FLOODS) {
  t.test(`a crowd of one caller waits in its own line: ${name} is served before it`, async (t) => {
    let served = 0
    const service = await startService(t, {
      key,
      environment,
      overload: { perTurnMs: 1, waitMs: 60_000, crowdedMs: 0, turns: 1 },
      prepare: (app) => app.get('/count', { config: { auth: 'public' } }, () => { block(2); return `served ${++served}` })
    })
    const before = await service.get('/api/private', service.issuer.token({ jti: 'victim' }))
    t.equal(before.status, 200)
    const sockets = await connected(Number(new URL(service.url).port), 100 + VICTIMS)
    const [victims, others] = [sockets.slice(0, VICTIMS), sockets.slice(VICTIMS)]
    const head = (more: string): string => `GET /count HTTP/1.1\r\nHost: a\r\n${more}\r\n`
    for (const [n, socket] of others.entries()) socket.write(head(headers(n)))
    await until(() => service.app.listeners.admission.waiting > 50)
    const since = served
    const places = await Promise.all(victims.map(async (socket, n) => {
      const text = new Promise<string>((resolve) => socket.once('data', (chunk: Buffer) => resolve(chunk.toString())))
      socket.write(head(victim(service, n)))
      return Number(/served (\d+)$/.exec(await text)?.[1]) - since
    }))
    t.ok(places.filter((place) => place < 20 + VICTIMS).length >= VICTIMS - 1, `places ${places.join(', ')} of 100`)
    for (const socket of sockets) socket.destroy()
  })
}

/** Requests of 2 ms that are served in a turn of the event loop in which other work, in place of reading, took 100 ms. */
async function servedInATurn (t: Test, mostPerTurnMs: number): Promise<number> {
  let served = 0
  const service = await startService(t, {
    key,
    overload: { perTurnMs: 1, mostPerTurnMs, waitMs: 60_000 },
    prepare: (app) => app.get('/count', { config: { auth: 'public' } }, () => { block(2); return `served ${++served}` })
  })
  const sockets = await connected(Number(new URL(service.url).port), 100)
  for (const socket of sockets) socket.write('GET /count HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => service.app.listeners.admission.waiting > 50)
  const since = served
  let turns = 0
  while (served < since + 20) {
    block(100)
    turns++
    await new Promise((resolve) => { setTimeout(resolve, 0) })
  }
  for (const socket of sockets) socket.destroy()
  return (served - since) / turns
}

t.test('what waits is served as long as reading took, up to a bound', async (t) => {
  const unbounded = await servedInATurn(t, 100)
  t.ok(unbounded >= 5, `${unbounded} in a turn`)
  const bounded = await servedInATurn(t, 0)
  t.ok(bounded <= 2, `${bounded} in a turn`)
})

/** How many requests of a crowd are served while 40 new connections are accepted; `pipelined`: one connection sends as many at once. */
async function servedWhileAccepting (t: Test, pipelined: number): Promise<number> {
  let served = 0
  const service = await startService(t, {
    key,
    overload: { perTurnMs: 1, waitMs: 60_000, crowdedMs: 0, turns: 1 },
    prepare: (app) => app.get('/count', { config: { auth: 'public' } }, () => { block(2); return `served ${++served}` })
  })
  const port = Number(new URL(service.url).port)
  const [first, ...sockets] = await connected(port, 151)
  first?.write('GET /count HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(pipelined))
  for (const socket of sockets) socket.write('GET /count HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => service.app.listeners.admission.waiting > 100)
  const servedAt: number[] = []
  for (const server of service.app.listeners.servers) server.on('connection', () => servedAt.push(served))
  const late = Array.from({ length: 40 }, () => connect(port, 'localhost'))
  await until(() => servedAt.length === 40)
  for (const socket of [first, ...sockets, ...late]) socket?.destroy()
  return Number(servedAt.at(-1)) - Number(servedAt[0])
}

t.test('connections are accepted while a crowd waits: not one for each turn that serves', async (t) => {
  const meanwhile = await servedWhileAccepting(t, 0)
  t.ok(meanwhile < 20, `${meanwhile} were served while 40 connections were accepted`)
})

t.test('while a connection has pipelined more than its limit, each turn serves: new connections would add as much', async (t) => {
  const meanwhile = await servedWhileAccepting(t, 100)
  t.ok(meanwhile > 30, `${meanwhile} were served while 40 connections were accepted`)
})
