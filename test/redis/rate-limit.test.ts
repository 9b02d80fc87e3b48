import t from 'tap'
import { Redis } from 'ioredis'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { startService, until, type Service } from '../support/service.ts'
import { RedisServer } from './redis-server.ts'

/** RATE_LIMIT_PER_MINUTE with a real redis-server: `npm run test:redis`. */
const LIMIT = 10
const key = newKey('ES256')
const redis = await RedisServer.start()
t.teardown(() => redis.kill())

const issuer = await TestIssuer.start(key)
const environment = {
  ISSUER: issuer.issuer, ALGORITHMS: 'ES256', RATE_LIMIT_PER_MINUTE: String(LIMIT), REDIS_URL: redis.url, METRICS: 'on'
}
const one = await startService(t, { issuer, environment })
const two = await startService(t, { issuer: await TestIssuer.start(key), environment })
const alone = await startService(t, { issuer: await TestIssuer.start(key), environment: { ...environment, REDIS_URL: '' } })

const token = (client: string): string => issuer.token({ azp: client, client_id: client })
const call = async ({ get }: Service, client: string): Promise<number> => (await get('/api/private', token(client))).status
const told = ({ lines }: Service, text: RegExp): number => lines.filter(({ msg }) => text.test(String(msg))).length
const condition = 'scopegate_condition{condition="rate_limit_unavailable",severity="degraded"} 1'

/** Statuses of so many calls, one after the other at each of the replicas in turn. */
async function statuses (replicas: readonly Service[], client: string, calls: number): Promise<Record<number, number>> {
  const counts: Record<number, number> = {}
  for (let at = 0; at < calls; at++) {
    const status = await call(replicas[at % replicas.length] as Service, client)
    counts[status] = (counts[status] ?? 0) + 1
  }
  return counts
}

const holds = ({ app }: Service, condition: string): boolean => app.readiness.conditions().some(([name]) => name === condition)

t.test('two replicas share one count of each client; without Redis each counts for itself', async (t) => {
  t.same(await statuses([one, two], 'shared', 30), { 200: LIMIT, 429: 30 - LIMIT })
  t.same(await statuses([one, two], 'another', LIMIT), { 200: LIMIT }, 'each client has its own')
  t.same(await statuses([one], 'another', 1), { 429: 1 })
  t.same(await statuses([alone], 'shared', LIMIT), { 200: LIMIT })
  const racing = await Promise.all(Array.from({ length: 40 }, (_, at) => call(at % 2 === 0 ? one : two, 'racing')))
  t.equal(racing.filter((status) => status === 200).length, LIMIT, 'at the same time too')
})

t.test('Redis killed: nothing is limited, one line, degraded, a metric; and back', async (t) => {
  await redis.kill()
  await until(() => told(one, /^Redis is unavailable: clients/) === 1 && told(two, /^Redis is unavailable: clients/) === 1)
  t.same(await statuses([one, two], 'shared', 40), { 200: 40 })
  t.equal(told(one, /^Redis is unavailable: clients/), 1)
  t.match(await one.get('/health/ready'), {
    status: 200, body: { status: 'degraded', conditions: { rate_limit_unavailable: /clients are not limited/ } }
  })
  t.ok((await one.get('/metrics')).text.includes(condition))
  await redis.restart()
  await until(() => told(one, /^Redis is available again: clients/) === 1 && told(two, /^Redis is available again: clients/) === 1, 20_000)
  t.same(await statuses([one, two], 'shared', 30), { 200: LIMIT, 429: 30 - LIMIT })
  t.notOk((await one.get('/metrics')).text.includes(condition))
})

t.test('Redis that is silent: no request fails, and after a second none waits for it', async (t) => {
  redis.signal('SIGSTOP')
  let calls = 0
  while (told(one, /^Redis is unavailable: clients/) < 2) {
    t.equal(await call(one, 'silent'), 200)
    if (++calls > 1_000) return t.fail('nothing tells of it')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  t.same(await statuses([one], 'silent', 40), { 200: 40 })
  redis.signal('SIGCONT')
  await until(() => told(one, /^Redis is available again: clients/) === 2, 20_000)
  t.match(await statuses([one], 'silent', 30), { 429: Number })
})

t.test('Redis connected, and it refuses to write: nothing is limited, and that is told; and back', async (t) => {
  const administration = new Redis(redis.url)
  t.teardown(() => { administration.disconnect() })
  const before = told(one, /^Redis is unavailable: clients/)
  await administration.config('SET', 'maxmemory', '1')
  t.same(await statuses([one], 'refused', 2 * LIMIT), { 200: 2 * LIMIT })
  t.equal(told(one, /^Redis is unavailable: clients/), before + 1)
  t.match(await one.get('/health/ready'), { body: { status: 'degraded', conditions: { rate_limit_unavailable: /OOM/ } } })
  await administration.config('SET', 'maxmemory', '0')
  await until(() => !holds(one, 'rate_limit_unavailable'), 10_000)
  t.same(await statuses([one], 'refused', 2 * LIMIT), { 200: LIMIT, 429: LIMIT }, 'also where no request has come meanwhile')
})
