import t from 'tap'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { startService, until } from '../support/service.ts'

const key = newKey()

t.test('R2 in real time: a minute without the issuer: no wrong response, one fetch in 5 s at most, ' +
  'one line for each change', { timeout: 120_000 }, async (t) => {
  const service = await startService(t, { key, environment: { KEYS_REFRESH_SECONDS: '1' } })
  const good = service.issuer.token()
  service.issuer.behaviour = (_request, response) => response.socket?.destroy()
  await until(() => !service.app.keyring.state().available)
  const fetchesBefore = service.issuer.fetches
  const begun = Date.now()
  const statuses = new Set<number>()
  while (Date.now() - begun < 60_000) {
    statuses.add((await service.get('/api/private', good)).status)
    statuses.add((await service.get('/api/private', service.issuer.token({ jti: String(Math.random()) }))).status)
    t.match(await service.get('/health/ready'), { status: 200, body: { status: 'degraded' } })
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  t.same([...statuses], [200])
  t.ok(service.issuer.fetches - fetchesBefore <= 60 / 5, `${service.issuer.fetches - fetchesBefore} fetches`)
  service.issuer.behaviour = undefined
  await until(() => service.app.keyring.state().available, 7_000)
  t.equal((await service.get('/health/ready')).text, '{"status":"ok"}')
  t.equal(service.lines.filter(({ msg }) => /cannot be fetched/.test(String(msg))).length, 1)
  t.equal(service.lines.filter(({ msg }) => /can be fetched again/.test(String(msg))).length, 1)
})

t.test('R5 in real time, with the default refresh: a withdrawn key is refused within 65 s, ' +
  'cached tokens too', { timeout: 120_000 }, async (t) => {
  const service = await startService(t, { key })
  const token = service.issuer.token()
  t.equal((await service.get('/api/private', token)).status, 200)
  service.issuer.published = [newKey().jwk]
  const begun = Date.now()
  let status = 200
  while (status === 200 && Date.now() - begun < 70_000) {
    status = (await service.get('/api/private', token)).status
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  t.equal(status, 401)
  t.ok(Date.now() - begun <= 65_000, `${Date.now() - begun} ms`)
})

t.test('R1 in real time: down for 20 s at boot, then ready within 6 s', { timeout: 60_000 }, async (t) => {
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = () => undefined
  const service = await startService(t, { issuer, impatient: true })
  const statuses = new Set<number>()
  for (const begun = Date.now(); Date.now() - begun < 20_000;) {
    statuses.add((await service.get('/api/private', issuer.token())).status)
    t.equal((await service.get('/health/live')).status, 200)
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  t.same([...statuses], [503])
  t.equal((await service.get('/health/ready')).status, 503)
  issuer.behaviour = undefined
  const begun = Date.now()
  await until(() => service.app.keyring.state().knownKeys > 0, 8_000)
  t.ok(Date.now() - begun <= 6_000, `${Date.now() - begun} ms: 2 s for a fetch that hangs are within the 5 s between two starts`)
  t.equal((await service.get('/api/private', issuer.token())).status, 200)
})
