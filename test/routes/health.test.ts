import t from 'tap'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { startService, until } from '../support/service.ts'

const key = newKey()

t.test('readiness: texts and notices are for this machine, other callers get the names of conditions', async (t) => {
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = (_request, response) => response.writeHead(500).end()
  const service = await startService(t, { issuer, impatient: true, environment: { AUDIENCE: '*' } })
  const local = await service.get('/health/ready')
  t.match(local, { status: 503, body: { status: 'unavailable', conditions: { keys_missing: /keys/, any_audience: /AUDIENCE/ } } })
  for (const name of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port']) {
    const through = await service.get('/health/ready', undefined, { [name]: '127.0.0.1' })
    t.same(
      { status: through.status, body: through.body },
      { status: 503, body: { status: 'unavailable', conditions: { keys_missing: 'unavailable' } } },
      name
    )
  }
  issuer.behaviour = undefined
  await until(() => service.app.keyring.state().knownKeys > 0, 20_000)
  t.same((await service.get('/health/ready', undefined, { via: '1.1 a' })).body, { status: 'ok' })
  t.match((await service.get('/health/ready')).body, { status: 'ok', conditions: { any_audience: String } })
  service.app.beginDrain()
  t.same(
    (await service.get('/health/ready', undefined, { via: '1.1 a' })).body,
    { status: 'unavailable', conditions: { draining: 'unavailable' } }
  )
})

t.test('readiness: a caller on another machine gets names only', async (t) => {
  const service = await startService(t, { key, environment: { AUDIENCE: '*' } })
  const { body } = (await service.app.inject({ url: '/health/ready', remoteAddress: '192.0.2.7' })) as { body: string }
  t.same(JSON.parse(body), { status: 'ok' })
})
