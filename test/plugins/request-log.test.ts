import t from 'tap'
import { newKey, TestIssuer, type Json } from '../support/issuer.ts'
import { startService, until, type Service } from '../support/service.ts'

const key = newKey()
const requestLines = (service: Service): Json[] => service.lines.filter(({ msg }) => msg === 'request')

t.test('a flood of refusals: so many lines a second and reason, the others counted in one line; ' +
  'other reasons and good requests have theirs', async (t) => {
  const service = await startService(t, { key, environment: { LOG_REFUSALS_PER_SECOND: '3' } })
  const expired = service.issuer.token({ exp: 1 })
  await Promise.all(Array.from({ length: 40 }, () => service.get('/api/private', expired)))
  await service.get('/api/private')
  await service.get('/nothing')
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200)
  const told = (): Json[] => service.lines.filter(({ notLogged }) => notLogged !== undefined)
  const sum = (lines: readonly Json[], member: string): number => lines.reduce((all, line) => all + Number(line[member]), 0)
  const logged = (): number => requestLines(service).filter(({ reason }) => reason === 'expired').length
  await until(() => logged() + sum(told(), 'notLogged') === 40)
  t.ok(logged() >= 3 && logged() < 40)
  for (const line of told()) {
    t.match(line, { level: 30, reason: 'expired', msg: 'refused requests without a line of their own' })
    t.equal(Number(line.refused) - Number(line.notLogged), 3)
  }
  await until(() => requestLines(service).some(({ status }) => status === 200))
  t.equal(requestLines(service).filter(({ reason }) => reason === 'credentials_missing').length, 1)
  t.equal(requestLines(service).filter(({ status }) => status === 404).length, 1)
})

t.test('requests that never reach a route are bounded in the same way, and what was left out is told at the end', async (t) => {
  const service = await startService(t, { key, environment: { LOG_REFUSALS_PER_SECOND: '0' } })
  await Promise.all(Array.from({ length: 5 }, () => service.get('/', undefined, { 'x-long': 'x'.repeat(30_000) })))
  await service.app.close()
  const told = service.lines.filter(({ reason }) => reason === 'status 431')
  t.equal(told.reduce((all, { notLogged }) => all + Number(notLogged), 0), 5)
  t.notOk(service.lines.some(({ code }) => code === 'HPE_HEADER_OVERFLOW'))
})

t.test('so are paths that the router cannot read', async (t) => {
  const service = await startService(t, { key, environment: { LOG_REFUSALS_PER_SECOND: '2' } })
  for (let n = 0; n < 30; n++) t.equal((await service.get('/%zz')).status, 400)
  await service.app.close()
  const lines = service.lines.filter(({ status, route }) => status === 400 && route === 'none')
  const told = service.lines.filter(({ reason }) => reason === 'status 400')
  t.ok(lines.length >= 2 && lines.length < 30, `${lines.length} lines`)
  t.equal(lines.length + told.reduce((all, { notLogged }) => all + Number(notLogged), 0), 30)
})

t.test('LOG_LEVEL=warn: what is left out of its lines is reported at its level', async (t) => {
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = (_request, response) => response.writeHead(500).end()
  const service = await startService(t, { issuer, impatient: true, environment: { LOG_LEVEL: 'warn', LOG_REFUSALS_PER_SECOND: '2' } })
  const token = issuer.token()
  for (let n = 0; n < 20; n++) t.equal((await service.get('/api/private', token)).status, 503)
  for (let n = 0; n < 20; n++) t.equal((await service.get('/api/private')).status, 401)
  await service.app.close()
  const told = service.lines.filter(({ notLogged }) => notLogged !== undefined)
  t.ok(told.length > 0)
  t.match(told, told.map(() => ({ level: 40, reason: 'issuer_unavailable' })), 'no line of the others was left out')
  t.equal(requestLines(service).length + told.reduce((all, { notLogged }) => all + Number(notLogged), 0), 20)
})

t.test('probes are logged when their status changes', async (t) => {
  const service = await startService(t, { key })
  for (let at = 0; at < 5; at++) {
    await service.get('/health/live')
    await service.get('/health/ready')
  }
  service.app.beginDrain()
  for (let at = 0; at < 5; at++) await service.get('/health/ready')
  await service.get('/api/public')
  await until(() => requestLines(service).some(({ route }) => route === '/api/public'))
  t.same(requestLines(service).filter(({ route }) => /^\/health/.test(String(route))).map(({ route, status }) => [route, status]),
    [['/health/live', 200], ['/health/ready', 200], ['/health/ready', 503]])
})

t.test('AUDIT=on: a line for each decision, whatever LOG_LEVEL is, and never sampled; ' +
  'public routes and unknown paths are no decision', async (t) => {
  const service = await startService(t, {
    key,
    environment: { AUDIT: 'on', LOG_LEVEL: 'silent', LOG_REFUSALS_PER_SECOND: '0' },
    prepare: (app) => {
      app.get('/open', { config: { auth: { optional: true } } }, () => '')
      app.get('/odd', { config: { auth: { scopes: [] } } }, () => '')
    }
  })
  const { issuer } = service
  await service.get('/api/public')
  await service.get('/nothing')
  await service.get('/open')
  await service.get('/api/private', issuer.token({ jti: 'j1', sub: 's1' }))
  await service.get('/odd', issuer.token({ azp: undefined, client_id: undefined, sub: undefined }))
  await service.get('/api/private-scoped', issuer.token({ scope: 'email', sub: 'a\u001b[2J' }))
  await service.get('/api/private', issuer.token({ exp: 1 }))
  await service.get('/api/private')
  await until(() => service.lines.length >= 6)
  t.match(service.lines, [
    { decision: 'allowed', route: '/open' },
    {
      level: 30, audit: true, msg: 'audit', decision: 'allowed', route: '/api/private', method: 'GET', client: 'test_client',
      sub: 's1', jti: 'j1', issuer: issuer.issuer, address: String, reqId: String
    },
    { decision: /allowed|refused/, route: '/odd' },
    { decision: 'refused', reason: 'scope_missing', route: '/api/private-scoped' },
    { decision: 'refused', reason: 'expired', route: '/api/private', unverifiedClient: 'test_client' },
    { decision: 'refused', reason: 'credentials_missing', route: '/api/private' }
  ])
  t.equal(service.lines.length, 6)
  t.notMatch(JSON.stringify(service.lines), /[^\\]\\u001b|eyJ/, 'no control characters, no tokens')
})

t.test('a refusal that a handler catches is no refusal of the request, neither in its audit line nor in its request line', async (t) => {
  const service = await startService(t, {
    key,
    environment: { AUDIT: 'on' },
    prepare: (app) => {
      app.get('/caught', { config: { auth: { scopes: [] } } }, (request) => {
        try { request.requireScope('test_api_access') } catch { return { less: true } }
        return {}
      })
      app.get('/caught-optional', { config: { auth: { optional: true } } }, (request) => {
        try { return { client: request.principal.clientId } } catch { return { nobody: true } }
      })
      app.get('/not-caught', { config: { auth: { scopes: [] } } }, (request) => { request.requireScope('test_api_access') })
    }
  })
  const token = service.issuer.token({ scope: 'email' })
  t.same((await service.get('/caught', token)).body, { less: true })
  t.same((await service.get('/caught-optional')).body, { nobody: true })
  t.equal((await service.get('/not-caught', token)).status, 403)
  const told = (): Json[] => service.lines.filter(({ msg }) => msg === 'audit' || msg === 'request')
  await until(() => told().length >= 6)
  t.same(told().map(({ route, decision, reason }) => [route, decision, reason]), [
    ['/caught', undefined, undefined], ['/caught', 'allowed', undefined],
    ['/caught-optional', undefined, undefined], ['/caught-optional', 'allowed', undefined],
    ['/not-caught', undefined, 'scope_missing'], ['/not-caught', 'refused', 'scope_missing']
  ])
})

t.test('a request that the rate limit refuses is refused in its audit line, with the reason', async (t) => {
  const service = await startService(t, { key, environment: { AUDIT: 'on', RATE_LIMIT_PER_MINUTE: '1' } })
  const token = service.issuer.token()
  for (const status of [200, 429]) t.equal((await service.get('/api/private', token)).status, status)
  const told = (): Json[] => service.lines.filter(({ msg }) => msg === 'audit' || msg === 'request')
  await until(() => told().length >= 4)
  t.match(told(), [
    { status: 200 }, { decision: 'allowed', client: 'test_client' },
    { status: 429, reason: 'rate_limited', detail: /more than 1/ }, { decision: 'refused', reason: 'rate_limited', client: 'test_client' }
  ])
})

t.test('without AUDIT there is no audit line', async (t) => {
  const service = await startService(t, { key })
  await service.get('/api/private', service.issuer.token())
  await until(() => requestLines(service).length === 1)
  t.notOk(service.lines.some(({ audit }) => audit !== undefined))
})
