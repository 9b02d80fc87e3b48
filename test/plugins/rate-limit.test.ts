import { createServer } from 'node:net'
import t from 'tap'
import { newKey } from '../support/issuer.ts'
import { startService, until } from '../support/service.ts'

const key = newKey()

t.test('each verified client has its own limit over all protected routes; beyond it 429 with Retry-After as a problem', async (t) => {
  const service = await startService(t, { key, environment: { RATE_LIMIT_PER_MINUTE: '3' } })
  const token = (client: string): string => service.issuer.token({ client_id: client, azp: client, scope: 'test_api_access' })
  const [one, other] = [token('one'), token('one')]
  for (const [path, shown] of [['/api/private', one], ['/api/private-scoped', other], ['/api/private', other]] as const) {
    t.equal((await service.get(path, shown)).status, 200)
  }
  const refused = await service.get('/api/private', one)
  t.match(refused, { status: 429, body: { title: 'Too Many Requests', status: 429, request_id: String } })
  t.match(refused.headers.get('retry-after'), /^[1-9]\d?$/)
  t.match(refused.headers.get('content-type'), /problem\+json/)
  t.equal((await service.get('/api/private', token('two'))).status, 200, 'another client of the same address')
  for (let at = 0; at < 5; at++) t.equal((await service.get('/api/private')).status, 401, 'refusals are not counted')
  for (let at = 0; at < 5; at++) t.equal((await service.get('/api/public')).status, 200, 'public routes have no limit')
  const subjects = [
    service.issuer.token({ azp: undefined, client_id: undefined, sub: 's' }),
    service.issuer.token({ azp: undefined, client_id: undefined, sub: undefined })
  ]
  for (const subject of subjects) t.not((await service.get('/api/private', subject)).status, 429)
})

t.test('without RATE_LIMIT_PER_MINUTE nothing is limited', async (t) => {
  const service = await startService(t, { key })
  t.equal((await service.get('/api/private', service.issuer.token())).headers.get('x-ratelimit-limit'), null)
})

t.test('a Redis that cannot be reached limits nothing and holds no request: one line says so', async (t) => {
  const server = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as { port: number }
  t.teardown(() => server.close())
  const service = await startService(t, { key, environment: { RATE_LIMIT_PER_MINUTE: '1', REDIS_URL: `redis://127.0.0.1:${port}` } })
  for (let at = 0; at < 3; at++) t.equal((await service.get('/api/private', service.issuer.token())).status, 200)
  await until(() => service.lines.some(({ msg }) => /Redis is unavailable: clients/.test(String(msg))))
  t.equal(service.lines.filter(({ msg }) => /Redis is unavailable: clients/.test(String(msg))).length, 1)
})
