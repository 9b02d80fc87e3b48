import { connect } from 'node:net'
import t from 'tap'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { bodyOf, headersOf, raw, statusOf } from '../support/raw.ts'
import { startService, type Service } from '../support/service.ts'

const key = newKey()
const PAGE = 'https://app.example.com'

t.test('CORS_ORIGINS: preflights before authentication, errors can be read too, other origins get nothing', async (t) => {
  const service = await startService(t, {
    key, environment: { CORS_ORIGINS: `${PAGE},http://localhost:3000`, PUBLIC_URL: 'https://api.example.com' }
  })
  const { ask, get, issuer } = service
  const preflight = (path: string, origin: string): ReturnType<typeof ask> =>
    ask(path, {
      method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'authorization' }
    })
  for (const path of ['/api/messages', '/api/private', '/api/public', '/nowhere', '/.well-known/oauth-protected-resource']) {
    const { status, headers } = await preflight(path, PAGE)
    t.equal(status, 204, path)
    t.equal(headers.get('access-control-allow-origin'), PAGE)
    t.match(headers.get('access-control-allow-methods'), /POST/)
    t.equal(headers.get('access-control-allow-headers'), 'authorization')
    t.equal(headers.get('access-control-allow-credentials'), null)
  }
  for (const origin of [
    'https://app.example.com.evil.example', 'http://app.example.com', 'https://app.example.com:8443', 'null', 'https://APP.example.com'
  ]) {
    t.equal((await preflight('/api/private', origin)).headers.get('access-control-allow-origin'), null, origin)
  }
  const responses = {
    200: await get('/api/public', undefined, { origin: PAGE }),
    401: await get('/api/private', undefined, { origin: PAGE }),
    403: await get('/api/private-scoped', issuer.token(), { origin: PAGE }),
    404: await get('/nowhere', undefined, { origin: PAGE }),
    405: await ask('/api/public', { method: 'POST', headers: { origin: PAGE } }),
    400: await ask('/api/messages', {
      method: 'POST',
      body: '{',
      headers: { origin: PAGE, 'content-type': 'application/json', authorization: `Bearer ${issuer.token({ scope: 'test_api_access' })}` }
    })
  }
  for (const [status, { status: got, headers }] of Object.entries(responses)) {
    t.equal(String(got), status)
    t.equal(headers.get('access-control-allow-origin'), PAGE, status)
    t.match(headers.get('access-control-expose-headers'), /WWW-Authenticate/)
    t.match(headers.get('vary'), /Origin/)
  }
  t.equal((await get('/api/private', undefined, { origin: 'https://evil.example' })).headers.get('access-control-allow-origin'), null)
  t.equal((await ask('/api/private', { method: 'OPTIONS' })).status, 401, 'no preflight: as any other method')
  t.equal((await ask('/api/public', { method: 'OPTIONS', headers: { origin: PAGE } })).status, 405)
  t.equal((await ask('/nowhere', { method: 'OPTIONS' })).status, 404)
  t.match(service.app.access.routes().find(({ url }) => url === '*'), { method: 'OPTIONS', access: { mode: 'preflight' } })
})

t.test('an OPTIONS request that is no preflight gets what it gets without CORS_ORIGINS', async (t) => {
  const services = [await startService(t, { key }), await startService(t, { key, environment: { CORS_ORIGINS: PAGE } })] as const
  const down = await Promise.all([{}, { CORS_ORIGINS: PAGE }].map(async (environment) => {
    const issuer = await TestIssuer.start(key)
    issuer.behaviour = (_request, response) => response.writeHead(500).end()
    return startService(t, { issuer, environment, impatient: true })
  })) as unknown as typeof services
  const seen = async (service: Service, path: string, head: Record<string, string>): Promise<unknown> => {
    const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    const response = await raw(service, `OPTIONS ${path} HTTP/1.1\r\n${lines}Connection: close\r\n\r\n`)
    const names = /^(?:www-authenticate|retry-after|allow|content-type|cache-control): .*$/gim
    const { request_id: id, ...problem } = JSON.parse(bodyOf(response)) as Record<string, unknown>
    t.ok(id, `${path}: a problem of ours`)
    return { status: statusOf(response), headers: headersOf(response).match(names), problem }
  }
  const host = { Host: 'x' }
  for (const [name, pair, path, head, status] of [
    ['no token', services, '/api/private', host, 401],
    ['a bad token', services, '/api/private', { ...host, Authorization: 'Bearer a.b.c' }, 401],
    ['an open path', services, '/api/public', host, 405],
    ['no path', services, '/nowhere', host, 404],
    ['no Host', services, '/api/private', {}, 400],
    ['the issuer is down', down, '/api/private', { ...host, Authorization: `Bearer ${down[0].issuer.token()}` }, 503]
  ] as const) {
    const [without, with_] = await Promise.all(pair.map((service) => seen(service, path, head)))
    t.match(without, { status }, name)
    t.same(with_, without, name)
  }
})

t.test('without CORS_ORIGINS no response names an origin, and a preflight is a request like any other', async (t) => {
  const { ask, url } = await startService(t, { key })
  const { status, headers } = await ask('/api/private', {
    method: 'OPTIONS', headers: { origin: PAGE, 'access-control-request-method': 'GET' }
  })
  t.equal(status, 401)
  t.equal(headers.get('access-control-allow-origin'), null)
  const { hostname, port } = new URL(url)
  const response = await new Promise<string>((resolve) => {
    const socket = connect(
      Number(port),
      hostname.replace(/[[\]]/g, ''),
      () => socket.write(`OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    )
    let text = ''
    socket.on('data', (chunk) => { text += String(chunk) }).on('close', () => resolve(text))
  })
  t.match(response, /^HTTP\/1\.1 404/)
})
