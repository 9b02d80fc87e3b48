import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { FakeClock } from './support/clock.ts'
import { newKey, TestIssuer, type Behaviour } from './support/issuer.ts'
import { startService, until, type Service } from './support/service.ts'

const old = newKey('ES256', 'old')
const young = newKey('ES256', 'young')
const serving = (...members: readonly unknown[]): Behaviour => (_request, response) => { response.end(JSON.stringify({ keys: members })) }
const status = async (service: Service, signer = old): Promise<number> =>
  (await service.get('/api/private', service.issuer.token({}, {}, signer))).status

interface Scene {
  readonly service: Service
  readonly clock: FakeClock
  readonly pass: (ms: number) => Promise<void>
}

async function scene (t: Test, environment: Record<string, string> = {}): Promise<Scene> {
  const clock = new FakeClock()
  const service = await startService(t, { key: old, clock, environment: { ALGORITHMS: 'ES256', ...environment } })
  return { service, clock, pass: (ms) => clock.pass(ms, () => service.app.keyring.settled()) }
}

/** Which of two nodes responds: 0 or 1. */
type Balance = (socket: Socket) => number

/** Each connection stays with one node, one after the other. */
function sticky (): Balance {
  const nodes = new WeakMap<Socket, number>()
  let connections = 0
  return (socket) => {
    const node = nodes.get(socket) ?? ++connections % 2
    nodes.set(socket, node)
    return node
  }
}

/** Each request goes to either node, the same way in every run. */
function random (seed: number): Balance {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state >>> 31
  }
}

for (const [name, balance] of [
  ['sticky', sticky()], ['random, 1', random(1)], ['random, 2', random(2)], ['random, 3', random(3)]
] as const) {
  t.test(`two nodes behind one address, one without the new key, ${name}: 500 good calls, 0 refused`, async (t) => {
    const { service, pass } = await scene(t)
    service.issuer.behaviour = serving(old.jwk, young.jwk)
    t.equal(await status(service, young), 200)
    const asked = [0, 0]
    service.issuer.behaviour = (request, response) => {
      const node = balance(request.socket)
      asked[node] = (asked[node] ?? 0) + 1
      serving(old.jwk, ...node === 0 ? [young.jwk] : [])(request, response)
    }
    const statuses = new Map<number, number>()
    for (let call = 0; call < 500; call++) {
      await pass(1_000)
      const code = await status(service, young)
      statuses.set(code, (statuses.get(code) ?? 0) + 1)
    }
    t.same([...statuses], [[200, 500]])
    t.ok(asked.every((count) => count > 0), `both nodes were asked: ${asked.join(', ')}`)
  })
}

t.test('a withdrawal is confirmed over new connections, and not within 2 s', async (t) => {
  const { service, pass } = await scene(t)
  const token = service.issuer.token()
  t.equal((await service.get('/api/private', token)).status, 200)
  const sockets: Socket[] = []
  service.issuer.behaviour = (request, response) => {
    sockets.push(request.socket)
    serving(young.jwk)(request, response)
  }
  t.equal(await status(service, young), 200, 'the first response that lacks the old key')
  const before = sockets.length
  await pass(1_999)
  t.equal((await service.get('/api/private', token)).status, 200)
  t.equal(sockets.length, before)
  await pass(101)
  t.equal((await service.get('/api/private', token)).status, 401)
  const confirmations = sockets.slice(before)
  t.ok(confirmations.length > 0)
  t.equal(new Set(confirmations).size, confirmations.length, 'each over a connection of its own')
  t.notOk(confirmations.some((socket) => sockets.slice(0, before).includes(socket)))
})

t.test('a withdrawal whose confirmation fails ends after 65 s at the latest, whatever Retry-After says', async (t) => {
  const { service, pass } = await scene(t)
  const token = service.issuer.token()
  t.equal((await service.get('/api/private', token)).status, 200)
  service.issuer.behaviour = serving(young.jwk)
  t.equal(await status(service, young), 200)
  const before = service.issuer.fetches
  service.issuer.behaviour = (_request, response) => response.writeHead(503, { 'retry-after': '3600' }).end()
  await pass(2_001)
  t.equal(service.issuer.fetches, before + 1, 'the confirmation was requested')
  t.equal((await service.get('/api/private', token)).status, 200)
  await pass(63_000)
  t.not((await service.get('/api/private', token)).status, 200)
})

for (const [code, value, atLeastMs, atMostMs] of [
  [429, () => '30', 30_000, 30_000],
  [503, () => new Date(Date.now() + 30_000).toUTCString(), 20_000, 30_000],
  [503, () => '3600', 60_000, 60_000]
] as const) {
  t.test(`Retry-After of the issuer delays its retries, at most 60 s: ${code}, ${value()}`, async (t) => {
    const { service, clock, pass } = await scene(t)
    service.issuer.behaviour = (_request, response) => response.writeHead(code, { 'retry-after': value() }).end()
    t.equal(await status(service, young), 503)
    await until(() => clock.nextInMs !== undefined)
    const { fetches } = service.issuer
    await pass(atLeastMs - 1)
    t.equal(service.issuer.fetches, fetches)
    t.equal(await status(service), 200, 'a known key does not wait')
    await pass(atMostMs - atLeastMs + 2)
    t.equal(service.issuer.fetches, fetches + 1)
  })
}

t.test('a dripping issuer leaves no connection open', async (t) => {
  const { service, pass } = await scene(t, { KEYS_FETCH_TIMEOUT_SECONDS: '1' })
  const open = new Set<Socket>()
  service.issuer.behaviour = (request, response) => {
    open.add(request.socket)
    request.socket.once('close', () => open.delete(request.socket))
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), 20)
    response.once('close', () => clearInterval(timer))
  }
  await pass(70_000)
  t.ok(service.app.keyring.fetches >= 4, `${service.app.keyring.fetches} fetches`)
  await until(() => open.size === 0)
  t.equal(await status(service), 200)
})

t.test('KEYS_FETCH_TIMEOUT_SECONDS: an issuer that needs 2.2 s', async (t) => {
  const slow: Behaviour = (request, response) => { setTimeout(() => serving(old.jwk)(request, response), 2_200) }
  for (const [environment, ready] of [[{}, 200], [{ KEYS_FETCH_TIMEOUT_SECONDS: '1' }, 503]] as const) {
    const issuer = await TestIssuer.start(old)
    issuer.behaviour = slow
    const service = await startService(t, {
      issuer, impatient: true, clock: new FakeClock(), environment: { ALGORITHMS: 'ES256', ...environment }
    })
    await service.app.keyring.settled()
    t.equal((await service.get('/health/ready')).status, ready)
  }
})

t.test('a request waits for a key for at most 5 s, whatever the time-out', async (t) => {
  const { service, clock } = await scene(t, { KEYS_FETCH_TIMEOUT_SECONDS: '30' })
  service.issuer.behaviour = (_request, response) => { t.teardown(() => response.destroy()) }
  let refused: Awaited<ReturnType<Service['get']>> | undefined
  const call = service.get('/api/private', service.issuer.token({}, {}, young)).then((one) => { refused = one })
  await until(() => service.issuer.fetches === 2)
  await clock.pass(4_999)
  t.equal(await status(service), 200)
  t.equal(refused, undefined, 'it waits')
  await clock.pass(1)
  await call
  t.match(refused, { status: 503, challenge: '' })
  t.match(refused?.headers.get('retry-after'), /^\d+$/)
})
