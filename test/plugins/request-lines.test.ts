import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { readSettingFiles } from '../../src/config/setting-files.ts'
import { InvalidToken } from '../../src/oauth/errors.ts'
import { createCertificate } from '../support/certificate-authority.ts'
import { newKey, type Json } from '../support/issuer.ts'
import { bodyOf, headersOf, raw } from '../support/raw.ts'
import { startService, until, type Service } from '../support/service.ts'

const key = newKey()
const ESCAPES = '\u001b[31m\u009b2J\u202e\nforged'

async function lineOf (service: Service, path: string, token?: string, headers: Record<string, string> = {}): Promise<Json> {
  const { headers: sent } = await service.get(path, token, headers)
  const id = sent.get('x-request-id')
  await until(() => service.lines.some(({ reqId }) => reqId === id))
  return service.lines.find(({ reqId, msg }) => reqId === id && msg === 'request') ?? {}
}

function isPrintable (t: Test, value: unknown): void {
  t.match(Object.values(value as Json).map(String).join(''), /^[\x20-\x7E]*$/, JSON.stringify(value))
}

t.test('a request line says who called from where: address, and for a verified token client, sub and jti (ASVS 16.2.1)', async (t) => {
  const service = await startService(t, { key })
  const token = service.issuer.token({ jti: 'trrtcc:1', sub: 's-1' })
  for (const time of ['first', 'cached']) {
    t.match(
      await lineOf(service, '/api/private', token),
      { status: 200, address: /^(127\.0\.0\.1|::1)$/, client: 'test_client', sub: 's-1', jti: 'trrtcc:1' },
      time
    )
  }
  t.notMatch(await lineOf(service, '/api/public', token), { sub: String })
})

t.test('behind a trusted gateway the address is the caller\'s', async (t) => {
  const service = await startService(t, { key, environment: { TRUST_PROXY: 'loopback' } })
  t.match(await lineOf(service, '/api/public', undefined, { 'x-forwarded-for': '192.0.2.7' }), { address: '192.0.2.7' })
})

t.test('a refusal line has the address and the client that the token claims, marked as unverified', async (t) => {
  const refusal = new InvalidToken('expired', 'exp 1', { unverifiedClient: 'somebody' })
  const service = await startService(t, {
    key, prepare: (app) => app.get('/refused', { config: { auth: 'public' } }, () => { throw refusal })
  })
  const line = await lineOf(service, '/refused')
  t.match(line, { status: 401, reason: 'expired', detail: 'exp 1', address: String, unverifiedClient: 'somebody' })
  t.notOk('client' in line || 'sub' in line)
  const lacking = await lineOf(service, '/api/private-scoped', service.issuer.token({ scope: 'email profile' }))
  t.match(lacking, { status: 403, reason: 'scope_missing', grantedScopes: 'email profile', client: 'test_client' })
})

t.test('claims, paths and headers reach the log in printable characters only', async (t) => {
  const service = await startService(t, { key })
  const everywhere = { azp: ESCAPES, sub: ESCAPES, jti: ESCAPES, client_id: ESCAPES }
  for (const claims of [everywhere, { azp: ESCAPES, exp: 1 }, { iss: ESCAPES }, { aud: ESCAPES }, { typ: ESCAPES }]) {
    isPrintable(t, await lineOf(service, '/api/private', service.issuer.token(claims)))
  }
  isPrintable(t, await lineOf(service, '/api/private', service.issuer.token({}, { kid: ESCAPES })))
  isPrintable(t, await lineOf(service, '/api/private', service.issuer.token({ sub: 'x'.repeat(5_000) })))
  const before = service.lines.length
  await raw(service, 'GET /nothing\u00ff\u009b2J HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await until(() => service.lines.length > before)
  isPrintable(t, service.lines.at(-1))
})

t.test('a 404 names the path outside production, without its query', async (t) => {
  const service = await startService(t, { key })
  const { body } = await service.get('/nothing/here?password=sEcReT')
  t.match(body, { status: 404, detail: 'no route for GET /nothing/here' })
  t.match(await lineOf(service, '/nothing/here?password=sEcReT'), { status: 404, route: 'none', detail: 'no route for GET /nothing/here' })
  t.notMatch(JSON.stringify([body, service.lines]), /sEcReT/)
  const production = await startService(t, { key, environment: { NODE_ENV: 'production' } })
  t.notOk('detail' in (await production.get('/nothing/here')).body)
  t.notMatch(await lineOf(production, '/nothing/here'), { detail: String })
})

t.test('every response carries its request id, and every one has a line', async (t) => {
  const service = await startService(t, { key })
  for (const text of [
    'GET /api/public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'GET /api/private HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    'GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'GET /api/public HTTP/1.1\r\nHost: a\r\nExpect: eVil\r\n\r\n',
    'CONNECT evil.example:443 HTTP/1.1\r\nHost: a\r\n\r\n', 'eVil\r\n\r\n', 'GET /api/public HTTP/1.1\r\nConnection: close\r\n\r\n',
    'GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'PUT /api/public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  ]) {
    const response = await raw(service, text)
    const id = /x-request-id: (\S+)/i.exec(headersOf(response))?.[1] ?? 'none'
    t.match(id, /^[0-9a-f-]{36}$/, text)
    if (bodyOf(response).includes('about:blank')) t.match(JSON.parse(bodyOf(response)), { request_id: id })
    await until(() => service.lines.some(({ reqId }) => reqId === id))
    t.match(service.lines.find(({ reqId }) => reqId === id), { status: Number, address: /^(127\.0\.0\.1|::1)$/ }, text)
  }
})

t.test('a caller who leaves while its key is fetched has a line', async (t) => {
  const service = await startService(t, { key })
  service.issuer.behaviour = () => undefined
  const before = service.issuer.fetches
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  socket.write(`GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${service.issuer.token({}, { kid: 'new' })}\r\n\r\n`)
  await until(() => service.issuer.fetches > before)
  socket.destroy()
  await until(() => service.lines.some(({ status }) => status === 499))
  t.match(service.lines.find(({ status }) => status === 499), { msg: 'request', method: 'GET', route: '/api/private', address: String })
})

t.test('an onSend hook that throws: 500 in our form, the message stays in the log', async (t) => {
  let calls = 0
  const service = await startService(t, {
    key,
    prepare: (app) => app.register((child, _options, done) => {
      child.addHook('onSend', () => { calls++; throw new Error('sEcReT') })
      child.get('/always', { config: { auth: 'public' } }, () => ({ fine: true }))
      child.get('/refused', { config: { auth: { scopes: [] } } }, () => ({ fine: true }))
      done()
    }).register((child, _options, done) => {
      child.addHook('onSend', async () => { if (calls++ === 0) throw new Error('sEcReT') })
      child.get('/once', { config: { auth: { scopes: [] } } }, () => ({ fine: true }))
      done()
    })
  })
  for (const path of ['/always', '/refused', '/once']) {
    calls = 0
    const response = await service.get(path)
    t.match(response, {
      status: 500,
      body: { type: 'about:blank', title: 'Internal Server Error', status: 500, request_id: response.headers.get('x-request-id') }
    }, path)
    t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    t.notMatch(response.text, /sEcReT/)
    await until(() => service.lines.some(({ reqId, status }) => reqId === response.body.request_id && status === 500))
  }
  t.ok(service.lines.filter(({ err }) => (err as Json | undefined)?.message === 'sEcReT').length >= 3)
})

t.test('request.principal on a public route is a mistake of the handler', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      app.get('/open', { config: { auth: 'public' } }, (request) => request.principal.scopes)
      app.get('/maybe', { config: { auth: { optional: true } } }, (request) => request.principal.scopes)
    }
  })
  for (const token of [undefined, service.issuer.token()]) t.match(await service.get('/open', token), { status: 500, challenge: '' })
  t.match(service.lines.find(({ level }) => level === 50), {
    msg: 'a mistake in the handler of this route', err: { message: /^request\.principal of GET \/open: the route does not require a token/ }
  })
  t.notMatch(JSON.stringify(service.lines), /No Authorization header/)
  t.match(await service.get('/maybe'), { status: 401 })
})

for (const scheme of ['http', 'https'] as const) {
  t.test(`the address of a caller who has closed the connection is in its lines: ${scheme}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'scopegate-lines-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const { cert, certFile, keyFile } = createCertificate(folder, 'localhost')
    const environment = { AUDIT: 'on', ...scheme === 'https' && { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } }
    const service = await startService(t, { key, environment, files: readSettingFiles(environment) })
    const port = Number(new URL(service.url).port)
    for (let n = 0; n < 20; n++) {
      const socket = scheme === 'https' ? connectTls({ host: 'localhost', port, ca: cert }) : connect(port, 'localhost')
      socket.on('error', () => undefined)
      await once(socket, scheme === 'https' ? 'secureConnect' : 'connect')
      socket.write('GET /api/private HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', () => {
        if (n % 2 === 0) setImmediate(() => socket.destroy())
        else socket.resume()
      })
      await once(socket, 'close')
    }
    const lines = (): Json[] => service.lines.filter(({ msg }) => msg === 'audit' || msg === 'request')
    await until(() => lines().length >= 40)
    t.same([...new Set(lines().map(({ address }) => address))], ['127.0.0.1'])
  })
}

t.test('a caller without an address, as on a Unix socket, has none in its lines', { skip: process.platform === 'win32' }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-lines-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const service = await startService(t, { key, environment: { AUDIT: 'on' } })
  const path = join(folder, 'socket')
  const server = service.app.listeners.factory((request, response) => service.app.routing(request, response))
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const socket = connect(path)
  socket.write('GET /api/private HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  await once(socket.resume(), 'close')
  await until(() => service.lines.some(({ msg }) => msg === 'request'))
  const lines = service.lines.filter(({ msg }) => msg === 'audit' || msg === 'request')
  t.equal(lines.length, 2)
  for (const line of lines) t.notOk('address' in line, JSON.stringify(line))
})
