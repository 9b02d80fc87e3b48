import { readFileSync } from 'node:fs'
import t from 'tap'
import { Redis } from 'ioredis'
import { boundTo, holder, proof } from '../support/dpop.ts'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { startService, until, type Service } from '../support/service.ts'
import { frozenProxy } from './frozen-proxy.ts'
import { RedisServer } from './redis-server.ts'

/** Against a real redis-server (Debian: apt-get install redis-server): `npm run test:redis`. */
const PUBLIC_URL = 'https://api.example.com'
const url = `${PUBLIC_URL}/api/private`
const owner = holder()
const key = newKey('ES256')

const redis = await RedisServer.start()
t.teardown(() => redis.kill())

const issuer = await TestIssuer.start(key)
const environment = { ISSUER: issuer.issuer, ALGORITHMS: 'ES256', DPOP: 'allowed', PUBLIC_URL, REDIS_URL: redis.url }
const one = await startService(t, { issuer, environment })
const two = await startService(t, { issuer: await TestIssuer.start(key), environment })
const replicas = [one, two] as const
const token = issuer.token(boundTo(owner))
const call = async ({ ask }: Service, dpop: string): Promise<number> =>
  (await ask('/api/private', { headers: { authorization: `DPoP ${token}`, dpop } })).status
const fresh = (): string => proof(owner, { url, token })
const ready = async ({ get }: Service): Promise<unknown> => (await get('/health/ready')).body
const isConnected = async (service: Service): Promise<boolean> => (await ready(service) as { status: string }).status === 'ok'
const connected = async (): Promise<void> => {
  for (const service of replicas) while (!await isConnected(service)) await new Promise((resolve) => setTimeout(resolve, 20))
}

const holds = ({ app }: Service, condition: string): boolean => app.readiness.conditions().some(([name]) => name === condition)

t.test('a proof that one replica has accepted is a replay at the other', async (t) => {
  await connected()
  const dpop = fresh()
  t.equal(await call(one, dpop), 200)
  t.equal(await call(two, dpop), 401)
  t.match(two.lines.findLast((line) => line.reason !== undefined), { reason: 'dpop_replayed' })
  t.equal(await call(one, dpop), 401)
  const dpopOfRace = fresh()
  const raced = await Promise.all(Array.from({ length: 20 }, (_, at) => call(replicas[at % 2] as Service, dpopOfRace)))
  t.equal(raced.filter((status) => status === 200).length, 1, 'of twenty at the same time one is accepted')
})

t.test('10,000 proofs, each accepted once, at either replica', async (t) => {
  const counts = new Map<number, number>()
  // On a busy machine Redis may take longer than the service waits: 503, and another try.
  const known = async (service: Service, next: () => string): Promise<readonly [status: number, dpop: string]> => {
    const dpop = next()
    const status = await call(service, dpop)
    return status === 503 ? known(service, next) : [status, dpop]
  }
  const worker = async (service: Service, other: Service): Promise<void> => {
    for (let n = 0; n < 500; n++) {
      const [status, dpop] = await known(service, fresh)
      const statuses = [status, n % 50 === 0 ? (await known(other, () => dpop))[0] : 0]
      for (const status of statuses) counts.set(status, (counts.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: 20 }, (_, at) => worker(replicas[at % 2] as Service, replicas[(at + 1) % 2] as Service)))
  t.equal(counts.get(200), 10_000)
  t.equal(counts.get(401), 200)
})

t.test('Redis killed: 503 for proofs only, degraded, one line in the log; and back', async (t) => {
  await redis.kill()
  await until(() => one.lines.some(({ msg }) => /^Redis is unavailable/.test(String(msg))))
  const response = await one.ask('/api/private', { headers: { authorization: `DPoP ${token}`, dpop: fresh() } })
  t.equal(response.status, 503)
  t.equal(response.headers.get('retry-after'), '1')
  t.equal(response.headers.get('www-authenticate'), null)
  t.match(one.lines.findLast((line) => line.reason !== undefined), { reason: 'replays_unavailable' })
  t.equal((await one.get('/api/private', issuer.token())).status, 200, 'bearer tokens are not affected')
  t.equal((await one.get('/api/public')).status, 200)
  t.match(await ready(one), { status: 'degraded', conditions: { replays_unavailable: /Redis is unavailable/ } })
  t.equal((await one.get('/health/ready')).status, 200)
  const dpop = fresh()
  t.equal(await call(one, dpop), 503)
  t.equal(one.lines.filter(({ msg }) => /^Redis is unavailable/.test(String(msg))).length, 1)

  await redis.restart()
  await connected()
  t.equal(await call(one, dpop), 200, 'a proof that got 503 is not used')
  t.equal(await call(two, dpop), 401)
  t.equal(one.lines.filter(({ msg }) => /^Redis is available again/.test(String(msg))).length, 1)
})

const unavailable = ({ lines }: Service): Array<Record<string, unknown>> =>
  lines.filter(({ msg }) => /^Redis is unavailable/.test(String(msg)))
const availableAgain = ({ lines }: Service): number => lines.filter(({ msg }) => /^Redis is available again/.test(String(msg))).length

t.test('Redis connected, and it refuses the command (an error without a code): 503 for proofs, degraded, one line; and back', async (t) => {
  const administration = new Redis(redis.url)
  t.teardown(() => { administration.disconnect() })
  const [before, backBefore] = [unavailable(one).length, availableAgain(one)]
  await administration.config('SET', 'maxmemory', '1')
  const dpop = fresh()
  t.equal(await call(one, dpop), 503)
  t.equal(await call(one, fresh()), 503)
  t.match(one.lines.findLast((line) => line.reason !== undefined), { reason: 'replays_unavailable', detail: 'Redis: OOM' })
  t.same(unavailable(one).slice(before).map(({ cause }) => cause), ['OOM'], 'two requests, one line')
  t.match(await ready(one), { status: 'degraded', conditions: { replays_unavailable: /Redis is unavailable \(OOM\)/ } })
  t.equal((await one.get('/api/private', issuer.token())).status, 200, 'bearer tokens are not affected')
  await administration.config('SET', 'maxmemory', '0')
  t.equal(await call(one, dpop), 200, 'a proof that got 503 is not used')
  t.equal(await call(two, dpop), 401)
  t.equal(availableAgain(one), backBefore + 1)
  t.ok(await isConnected(one))
})

t.test('Redis that hangs: 503 for proofs, and back', async (t) => {
  const before = unavailable(two).length
  redis.signal('SIGSTOP')
  t.equal(await call(two, fresh()), 503)
  t.same(unavailable(two).slice(before).map(({ cause }) => cause), ['Command timed out'])
  t.equal((await two.get('/api/private', issuer.token())).status, 200)
  redis.signal('SIGCONT')
  while (await call(two, fresh()) !== 200) await new Promise((resolve) => setTimeout(resolve, 20))
  t.ok(await isConnected(two))
})

t.test('a password that Redis does not accept: 503 for proofs, named without the password', async (t) => {
  const wrong = await startService(t, {
    issuer: await TestIssuer.start(key), environment: { ...environment, REDIS_URL: redis.url.replace('//', '//somebody:hunter2@') }
  })
  await until(() => unavailable(wrong).length > 0)
  t.equal(await call(wrong, fresh()), 503)
  t.equal(unavailable(wrong)[0]?.cause, 'WRONGPASS')
  t.match(await ready(wrong), { status: 'degraded', conditions: { replays_unavailable: /WRONGPASS/ } })
  t.notMatch(JSON.stringify(wrong.lines), /hunter2/)
})

t.test('a user with the rights that the docs name, and no others: proofs and counts work, and nobody writes beside the log', async (t) => {
  const rights = /^\| (?:DPoP proofs|`RATE_LIMIT_PER_MINUTE`) \| `(.*)` \|$/gm
  const [dpop, counts] = [...readFileSync('docs/how-to/bound-tokens.md', 'utf8').matchAll(rights)].map(([, words = '']) => words.split(' '))
  t.ok(dpop && counts)
  const admin = new Redis(redis.url)
  await admin.call('ACL', 'SETUSER', 'limited', 'on', '>hunter2', ...dpop ?? [], ...counts ?? [])
  const warned = t.capture(console, 'warn')
  const service = await startService(t, { issuer: await TestIssuer.start(key), environment: {
    ...environment, RATE_LIMIT_PER_MINUTE: '2', REDIS_URL: redis.url.replace('//', '//limited:hunter2@')
  } })
  while (!await isConnected(service)) await new Promise((resolve) => setTimeout(resolve, 20))
  const dpopOfOne = fresh()
  t.same([await call(service, dpopOfOne), await call(service, dpopOfOne), await call(service, fresh()), await call(service, fresh())],
    [200, 401, 200, 429])
  t.same(unavailable(service), [])
  t.same(warned(), [])
  await admin.call('ACL', 'DELUSER', 'limited')
  await admin.quit()
})

t.test('a connection that is gone without a word is given up, and what waited in it; the next one works', async (t) => {
  const proxy = await frozenProxy(t, redis.url)
  const service = await startService(t, { issuer: await TestIssuer.start(key), environment: { ...environment, REDIS_URL: proxy.url } })
  while (!await isConnected(service)) await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(await call(service, fresh()), 200)
  t.equal(proxy.connections(), 1)
  proxy.freeze()
  t.equal(await call(service, fresh()), 503)
  await until(() => proxy.connections() === 2, 10_000)
  await until(() => availableAgain(service) === 1, 10_000)
  t.equal(await call(service, fresh()), 200)
})

t.test('the readiness is true where no request comes: Redis hangs, and is back', async () => {
  redis.signal('SIGSTOP')
  await until(() => holds(one, 'replays_unavailable'), 15_000)
  redis.signal('SIGCONT')
  await until(() => !holds(one, 'replays_unavailable'), 15_000)
})

t.test('a database that Redis does not have: 503 for proofs, and nothing is written to another one', async (t) => {
  const administration = new Redis(redis.url)
  t.teardown(() => { administration.disconnect() })
  const wrong = await startService(t, {
    issuer: await TestIssuer.start(key), environment: { ...environment, REDIS_URL: redis.url.replace(/0$/, '99') }
  })
  await until(() => unavailable(wrong).length > 0)
  const before = await administration.dbsize()
  for (let n = 0; n < 3; n++) t.equal(await call(wrong, fresh()), 503)
  await new Promise((resolve) => setTimeout(resolve, 2_500))
  t.equal(await call(wrong, fresh()), 503, 'after it has connected again, too')
  t.ok(await administration.dbsize() <= before)
  t.same([unavailable(wrong).length, availableAgain(wrong)], [1, 0])
})
