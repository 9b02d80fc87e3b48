import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { newKey, type Json } from '../support/issuer.ts'
import { raw, statusOf } from '../support/raw.ts'
import { startService, until, type Service } from '../support/service.ts'

const key = newKey()
const PAGE = 'https://app.example.com'
const audits = ({ lines }: Service): Json[] => lines.filter(({ msg }) => msg === 'audit')
const requests = ({ lines }: Service): Json[] => lines.filter(({ msg }) => msg === 'request')

/** A connection that has sent this, still open. */
async function sent ({ url }: Service, text: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

const requestText = (path: string, token: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`

t.test('what was not decided has no line: no Host, a preflight, a path that does not exist', async (t) => {
  const service = await startService(t, { key, environment: { AUDIT: 'on', CORS_ORIGINS: PAGE } })
  t.equal(statusOf(await raw(service, 'GET /api/private HTTP/1.1\r\nConnection: close\r\n\r\n')), 400)
  for (const path of ['/api/private', '/nowhere']) {
    const { status } = await service.ask(path, { method: 'OPTIONS', headers: { origin: PAGE, 'access-control-request-method': 'POST' } })
    t.equal(status, 204)
  }
  t.equal((await service.get('/nowhere', service.issuer.token())).status, 404)
  await until(() => requests(service).length === 4)
  t.same(audits(service), [])
})

t.test('a body that cannot be read comes after the decision: the caller was allowed', async (t) => {
  const service = await startService(t, { key, environment: { AUDIT: 'on' } })
  const authorization = `Bearer ${service.issuer.token({ scope: 'test_api_access' })}`
  const post = async (headers: Record<string, string>, body: string): Promise<number> =>
    (await service.ask('/api/messages', { method: 'POST', headers: { authorization, ...headers }, body })).status
  t.equal(await post({ 'content-type': 'application/json' }, '{'), 400)
  t.equal(await post({ 'content-type': 'application/json', 'content-encoding': 'gzip' }, '{}'), 415)
  await until(() => audits(service).length === 2)
  t.match(audits(service), [{ decision: 'allowed', route: '/api/messages' }, { decision: 'allowed', route: '/api/messages' }])
})

t.test('a caller that leaves before it was decided about has no line, and nothing was refused for want of room', async (t) => {
  const service = await startService(t, { key, environment: { AUDIT: 'on', METRICS: 'on' } })
  const { issuer } = service
  const next = newKey()
  let respond = (): void => undefined
  issuer.behaviour = (_request, response) => {
    respond = () => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [key.jwk, next.jwk] }))
    }
  }
  const fetches = issuer.fetches
  const callers = await Promise.all(Array.from({ length: 3 }, (_, n) =>
    sent(service, requestText('/api/private', issuer.token({ jti: `left-${n}` }, {}, next)))))
  await until(() => issuer.fetches > fetches)
  for (const caller of callers) caller.destroy()
  await until(() => requests(service).filter(({ status }) => status === 499).length === 3)
  respond()
  await until(() => service.app.keyring.state().knownKeys === 2)
  t.equal((await service.get('/api/private', issuer.token({ jti: 'stays' }, {}, next))).status, 200)
  await until(() => audits(service).length > 0)
  t.match(audits(service), [{ decision: 'allowed', jti: 'stays' }])
  t.equal(audits(service).length, 1)
  const { text } = await service.get('/metrics')
  t.match(text, 'scopegate_aborted_requests_total{route="/api/private",method="GET"} 3')
  t.match(text, 'scopegate_shed_requests_total 0')
  t.notMatch(text, 'scopegate_refusals_total{reason="overloaded"')
})

t.test('a caller that leaves while another with the same token waits too: what its handler does has a line', async (t) => {
  let handled = 0
  const service = await startService(t, {
    key,
    environment: { AUDIT: 'on' },
    prepare: (app) => app.get('/work', { config: { auth: { scopes: [] } } }, () => { handled++; return '' })
  })
  const { issuer } = service
  const next = newKey()
  let respond = (): void => undefined
  issuer.behaviour = (_request, response) => {
    respond = () => {
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [next.jwk] }))
    }
  }
  const token = issuer.token({}, {}, next)
  const fetches = issuer.fetches
  const leaving = await sent(service, requestText('/work', token))
  const staying = service.get('/work', token)
  await until(() => issuer.fetches > fetches && service.app.verification.counts.tokensRead === 1)
  leaving.destroy()
  await until(() => requests(service).some(({ status }) => status === 499))
  respond()
  t.equal((await staying).status, 200)
  await until(() => audits(service).length === handled)
  t.equal(handled, 2)
  t.match(audits(service), [{ decision: 'allowed', route: '/work' }, { decision: 'allowed', route: '/work' }])
})

t.test('a handler that passes the request on to the 404 handler: the decision was about its route', async (t) => {
  const service = await startService(t, {
    key,
    environment: { AUDIT: 'on' },
    prepare: (app) => app.get('/passed-on', { config: { auth: { scopes: [] } } }, (_request, reply) => { reply.callNotFound() })
  })
  t.equal((await service.get('/passed-on', service.issuer.token())).status, 404)
  await until(() => audits(service).length === 1)
  t.match(audits(service), [{ decision: 'allowed', route: '/passed-on', client: 'test_client' }])
})

t.test('pipelined requests of a caller that leaves: each has its lines and its count, since each is handled', async (t) => {
  let handled = 0
  const service = await startService(t, {
    key,
    environment: { AUDIT: 'on', METRICS: 'on' },
    prepare: (app) => {
      for (const path of ['/a', '/b', '/c']) {
        app.post(path, { config: { auth: { scopes: [] } } }, async () => { handled++; await new Promise((done) => setTimeout(done, 400)) })
      }
    }
  })
  const authorization = `Authorization: Bearer ${service.issuer.token()}`
  const body = 'Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}'
  const texts = ['/a', '/b', '/c'].map((path) => `POST ${path} HTTP/1.1\r\nHost: x\r\n${authorization}\r\n${body}`)
  const caller = await sent(service, texts.join(''))
  await until(() => handled === 3)
  caller.destroy()
  await until(() => audits(service).length === 3)
  await new Promise((done) => setTimeout(done, 600))
  const routes = (lines: readonly Json[]): unknown[] => lines.map(({ route }) => route).sort()
  t.same(routes(audits(service)), ['/a', '/b', '/c'])
  t.same(routes(requests(service).filter(({ status }) => status === 499)), ['/a', '/b', '/c'])
  const { text } = await service.get('/metrics')
  for (const path of ['/a', '/b', '/c']) t.match(text, `scopegate_aborted_requests_total{route="${path}",method="POST"} 1`)
})

t.test('what follows a whole request and cannot be read does not take away its line', async (t) => {
  let handled = 0
  const service = await startService(t, {
    key,
    environment: { AUDIT: 'on', METRICS: 'on' },
    prepare: (app) => app.get('/slow', { config: { auth: { scopes: [] } } }, async () => {
      handled++
      await new Promise((done) => setTimeout(done, 300))
    })
  })
  const response = await raw(service, `${requestText('/slow', service.issuer.token())}garbage\r\n\r\n`)
  t.equal(statusOf(response), 400)
  await until(() => audits(service).length === 1 && requests(service).length === 1)
  t.equal(handled, 1)
  t.match(requests(service), [{ route: '/slow', status: 499, client: 'test_client' }])
  t.match((await service.get('/metrics')).text, 'scopegate_aborted_requests_total{route="/slow",method="GET"} 1')
})
