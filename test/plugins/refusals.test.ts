import t from 'tap'
import { newKey } from '../support/issuer.ts'
import { bodyOf, headersOf, raw, statusOf } from '../support/raw.ts'
import { startService } from '../support/service.ts'

const key = newKey()

t.test('as RFC 6750 §3 requires: status, challenge and body of each refusal', async (t) => {
  const { get, issuer } = await startService(t, { key })
  interface Case { name: string, path: string, authorization?: string, status: number, challenge: string, error?: string }
  const refusals: readonly Case[] = [
    { name: 'no credentials: no error code', path: '/api/private', status: 401, challenge: 'Bearer realm="scopegate"' },
    {
      name: 'no credentials, scoped route: its scope',
      path: '/api/private-scoped',
      status: 401,
      challenge: 'Bearer realm="scopegate", scope="test_api_access"'
    },
    { name: 'Basic', path: '/api/private', authorization: 'Basic dTpw', status: 401, challenge: 'Bearer realm="scopegate"' },
    {
      name: 'a token without a scheme', path: '/api/private', authorization: issuer.token(), status: 401,
      challenge: 'Bearer realm="scopegate"'
    },
    {
      name: 'a scheme that begins like ours', path: '/api/private', authorization: 'Bearerx abc', status: 401,
      challenge: 'Bearer realm="scopegate"'
    },
    { name: 'bad token', path: '/api/private', authorization: 'Bearer x.y.z', status: 401, error: 'invalid_token',
      challenge: 'Bearer realm="scopegate", error="invalid_token", error_description="The access token is not valid for this API"' },
    { name: 'bad token, scoped route', path: '/api/private-scoped', authorization: 'Bearer x.y.z', status: 401, error: 'invalid_token',
      challenge:
        'Bearer realm="scopegate", error="invalid_token", error_description="The access token is not valid for this API", ' +
        'scope="test_api_access"' },
    {
      name: 'scope missing',
      path: '/api/private-scoped',
      authorization: `Bearer ${issuer.token()}`,
      status: 403,
      error: 'insufficient_scope',
      challenge:
        'Bearer realm="scopegate", error="insufficient_scope", error_description="The access token lacks the scope test_api_access", ' +
        'scope="test_api_access"'
    },
    ...[
      'Bearer', 'Bearer ', 'Bearer \tx.y.z', 'Bearer x.y.z w', 'Bearer a,Bearer b', 'Bearer a, Bearer b', 'Bearer\tx.y.z',
      'Bearer "x.y.z"', 'Bearer x=y', 'Bearer, x', 'Bearer é', 'bearer:x'
    ].map((authorization) => ({
      name: JSON.stringify(authorization), path: '/api/private', authorization, status: 400, error: 'invalid_request',
      challenge: 'Bearer realm="scopegate", error="invalid_request", error_description="The Authorization header is malformed"'
    }))
  ]
  for (const { name, path, authorization, status, challenge, error } of refusals) {
    const response = await get(path, undefined, authorization === undefined ? {} : { authorization })
    t.same({ status: response.status, challenge: response.challenge, error: response.body.error }, { status, challenge, error }, name)
    t.match(response.body, { type: 'about:blank', title: String, status, request_id: /^[0-9a-f-]{36}$/ }, `${name}: body`)
    t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    t.equal(response.headers.get('cache-control'), 'no-store')
  }
  for (const scheme of ['bearer', 'BEARER', 'bEaReR', 'Bearer ', 'bearer    ']) {
    t.equal((await get('/api/private', undefined, { authorization: `${scheme} ${issuer.token()}` })).status, 200, scheme)
  }
})

t.test('two Authorization lines are refused in both orders, and joined by a gateway too', async (t) => {
  const service = await startService(t, { key })
  const token = service.issuer.token()
  for (const [one, two] of [[token, 'x.y.z'], ['x.y.z', token], [token, token]] as const) {
    const response = await raw(
      service,
      `GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${one}\r\nauthorization: Bearer ${two}\r\nConnection: close\r\n\r\n`
    )
    t.equal(statusOf(response), 400)
    t.match(headersOf(response), /www-authenticate: Bearer realm="scopegate", error="invalid_request"/)
  }
  t.match(service.lines.at(-1), { reason: 'credentials_repeated' })
})

t.test('a token anywhere else is ignored', async (t) => {
  const { get, ask, issuer } = await startService(t, { key })
  const token = issuer.token({ scope: 'test_api_access' })
  t.equal((await get(`/api/private?access_token=${token}`)).status, 401)
  t.equal((await get('/api/private', undefined, { cookie: `access_token=${token}` })).status, 401)
  for (const name of ['x-authorization', 'x-forwarded-authorization', 'proxy-authorization', 'x-access-token']) {
    t.equal((await get('/api/private', undefined, { [name]: `Bearer ${token}` })).status, 401, name)
  }
  const form = await ask('/api/messages', {
    method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `access_token=${token}`
  })
  t.equal(form.status, 401)
})

t.test('methods: 405 with Allow where the path is known, 404 for everybody where it is not', async (t) => {
  const { get, ask, issuer } = await startService(t, { key })
  const authorization = `Bearer ${issuer.token()}`
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
    t.match(await ask('/api/public', { method }), { status: 405, body: { status: 405 } }, method)
    t.equal((await ask('/api/public', { method })).headers.get('allow'), 'GET, HEAD')
    t.match(await ask('/api/private', { method }), { status: 401, challenge: 'Bearer realm="scopegate"' }, `${method} without a token`)
    t.equal((await ask('/api/private', { method, headers: { authorization } })).headers.get('allow'), 'GET, HEAD')
  }
  t.match(await get('/api/messages', issuer.token()), { status: 405 })
  for (const path of [
    '/', '/api', '/api/nothing', '/api/private/', '/API/private', '/api/private/x', '/api//private', '/api/private;x', '/api/./public/x'
  ]) {
    t.match(await get(path), { status: 404, challenge: '', body: { title: 'Not Found' } }, path)
  }
  const head = await ask('/api/private', { method: 'HEAD' })
  t.match(head, { status: 401, challenge: 'Bearer realm="scopegate"', text: '' })
  t.match(await ask('/api/private', { method: 'HEAD', headers: { authorization } }), { status: 200, text: '' })
})

t.test('method overrides and forwarded paths change nothing', async (t) => {
  const { get } = await startService(t, { key, environment: { TRUST_PROXY: 'loopback' } })
  for (const headers of [
    { 'x-http-method-override': 'GET' }, { 'x-original-url': '/api/public' }, { 'x-rewrite-url': '/api/public' },
    { 'x-forwarded-prefix': '/api/public' }, { 'x-forwarded-host': 'evil', 'x-forwarded-proto': 'https' }
  ]) {
    t.equal((await get('/api/private', undefined, headers as Record<string, string>)).status, 401, JSON.stringify(headers))
  }
})

t.test('an encoded spelling of a protected path is the protected path, or none', async (t) => {
  const { get, url } = await startService(t, { key })
  for (const path of ['/api/%70rivate', '/%61pi/private', '/api/private?', '/api/private#x', '/api/public/../private']) {
    t.equal((await get(path)).status, 401, path)
  }
  for (const path of [
    '/api%2Fprivate', '/api/private%00', '/api/private%2e', '/api/%2e%2e/api/private', '//api/private', '/api/private%20'
  ]) t.not((await get(path)).status, 200, path)
  t.equal((await fetch(`${url}/api/private`, { method: 'get' })).status, 401)
})

t.test('a body is read only when the caller is authorized', async (t) => {
  const service = await startService(t, { key })
  const upload = await raw(
    service,
    'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n{"text":'
  )
  t.equal(statusOf(upload), 401, 'while the body is unsent')
  const expecting = await raw(
    service,
    'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n'
  )
  t.equal(statusOf(expecting), 401)
  t.notMatch(expecting, /100 Continue/)
  const token = service.issuer.token({ scope: 'test_api_access' })
  const welcome = await raw(
    service,
    'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\nExpect: ' +
    `100-continue\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n{"text":"a"}`
  )
  t.match(welcome, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/)
})

t.test('an unknown path or method gets 404 or 405 before a body is read', async (t) => {
  const service = await startService(t, { key })
  for (const [target, status] of [['POST /nope', 404], ['PUT /api/public', 405], ['QUERY /api/public', 405]] as const) {
    for (const body of [
      'Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{',
      'Content-Type: text/odd\r\nContent-Length: 99999999\r\n\r\n',
      'Content-Length: 5\r\nExpect: 100-continue\r\n\r\n'
    ]) {
      const response = await raw(service, `${target} HTTP/1.1\r\nHost: a\r\n${body}`)
      t.equal(statusOf(response), status, `${target} ${body}`)
      t.notMatch(response, /100 Continue/)
    }
  }
})

t.test('what is wrong with the body of an authorized caller', async (t) => {
  const { ask, issuer } = await startService(t, { key })
  const authorization = `Bearer ${issuer.token({ scope: 'test_api_access' })}`
  const post = async (body: string, type = 'application/json') =>
    ask('/api/messages', { method: 'POST', headers: { authorization, 'content-type': type }, body })
  t.match(await post('{"text":"Hello"}'), { status: 201, body: { text: 'Hello', from: 'test_client' } })
  t.match(await post(JSON.stringify({ text: '€'.repeat(500) })), { status: 201 })
  for (const body of ['{}', '{"text":""}', `{"text":"${'x'.repeat(501)}"}`, '{"text":5}', '{"text":"a","more":1}', '[]', 'null']) {
    t.match(await post(body), { status: 400, body: { title: 'Bad Request', detail: /^body: / } }, body)
  }
  for (const body of ['', '{', '{"__proto__":{},"text":"a"}']) {
    t.match(await post(body), { status: 400, body: { title: 'Bad Request' } }, body)
  }
  t.match(await post('text=a', 'application/x-www-form-urlencoded'), { status: 415 })
  t.match(await post('a', 'text/plain'), { status: 415 })
  t.match(await post(`{"text":"${'x'.repeat(70_000)}"}`), { status: 413 })
  t.notMatch((await post('{"text":"a","more":"sEcReT"}')).text, /sEcReT/, 'no value of what was sent')
})

t.test('what never reaches the routes gets a response in the same form, without an echo', async (t) => {
  const service = await startService(t, { key })
  const cases: ReadonlyArray<readonly [string, string, number]> = [
    ['no Host', 'GET /api/public HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['odd Expect', 'GET /api/public HTTP/1.1\r\nHost: a\r\nExpect: eVil\r\n\r\n', 417],
    ['unknown method', 'EVIL /api/public HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['/%zz', 'GET /%zz?eVil HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
    ['a head of 30 kB', `GET /api/public HTTP/1.1\r\nHost: a\r\nX: ${'eVil'.repeat(7500)}\r\n\r\n`, 431],
    ['a NUL in a header', 'GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer eVil\0x\r\n\r\n', 400],
    ['obs-fold', 'GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer\r\n eVil\r\nConnection: close\r\n\r\n', 400],
    ['no HTTP', 'eVil\r\n\r\n', 400],
    ['two lengths', 'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\neVil', 400],
    [
      'a length and chunks',
      'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      400
    ],
    ['a space before the colon', 'GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization : Bearer eVil\r\n\r\n', 400]
  ]
  for (const [name, text, status] of cases) {
    const response = await raw(service, text)
    t.equal(statusOf(response), status, name)
    t.match(
      bodyOf(response),
      new RegExp(`^\\{"type":"about:blank","title":"[^"]+","status":${status}[,}]`),
      `${name}: ${response.slice(0, 300)}`
    )
    t.match(headersOf(response).toLowerCase(), /content-type: application\/problem\+json/, name)
    for (const header of [
      'x-content-type-options: nosniff', 'content-security-policy: default-src \'none\'', 'referrer-policy: no-referrer'
    ]) t.match(headersOf(response).toLowerCase(), header, name)
    t.notMatch(response, /eVil/, `${name}: no echo`)
    t.notMatch(headersOf(response).toLowerCase(), /server:|x-powered-by/)
  }
  t.match(
    await raw(service, `GET http://evil.example/api/private HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
    /^HTTP\/1\.1 40[14]/,
    'absolute-form target'
  )
  t.match(await raw(service, 'GET /api/public HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 200/, 'HTTP/1.0 needs no Host')
})

t.test('an error of this service is 500, without its message', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      app.get('/fault', { config: { auth: 'public' } }, () => { throw new Error('sEcReT: cannot reach db.internal') })
      app.get('/teapot', { config: { auth: 'public' } }, () => { throw Object.assign(new Error('sEcReT'), { statusCode: 418 }) })
      app.get('/unnamed', { config: { auth: 'public' } }, () => { throw Object.assign(new Error('sEcReT'), { statusCode: 499 }) })
      app.get('/invalid', { config: { auth: 'public' } }, () => {
        throw Object.assign(new Error('sEcReT'), { validation: [{ instancePath: '' }] })
      })
      app.get('/items/:id', { config: { auth: 'public' } }, () => 'ok')
      app.get('/gone', { config: { auth: 'public' } }, (_request, reply) => reply.callNotFound())
      app.all('/every', { config: { auth: 'public' } }, () => 'ok')
      app.get('/odd', { config: { auth: 'public' } }, () => { throw Object.assign(new Error('sEcReT'), { statusCode: 200 }) })
    }
  })
  t.match(await service.get('/fault'), { status: 500, body: { title: 'Internal Server Error' } })
  t.match(await service.get('/odd'), { status: 500 })
  t.match(await service.get('/teapot'), { status: 418 })
  t.match(await service.get('/unnamed'), { status: 499, body: { title: 'Error' } })
  t.match(await service.get('/invalid'), { status: 400, body: { detail: 'request: invalid' } })
  t.match(await service.get(`/items/${'x'.repeat(200)}`), { status: 414, body: { title: 'URI Too Long' } })
  t.match(await service.get('/gone'), { status: 404, body: { title: 'Not Found' } })
  t.match(await service.ask('/every', { method: 'DELETE' }), { status: 200 })
  t.notMatch((await service.get('/fault')).text, /sEcReT/)
  t.match(service.lines.find((line) => line.level === 50), { err: { message: /sEcReT/ } }, 'the log has it')
})

t.test('an error while a signature is checked is 500, not a refusal of the token', async (t) => {
  const service = await startService(t, { key })
  const good = await service.app.keyring.key(key.kid, 'RS256')
  service.app.keyring.key = () => ({ ...good, get pem (): string { throw new Error('sEcReT') } })
  t.match(await service.get('/api/private', service.issuer.token()), { status: 500 })
  service.app.keyring.key = () => ({ ...good, pem: 'no key' })
  t.match(await service.get('/api/private', service.issuer.token()), { status: 401 })
})

t.test('a configuration that another plugin takes away leaves the route closed', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      app.addHook('onRoute', (route) => { if (route.url === '/taken') route.config = { auth: 'public' } })
      app.get('/taken', { config: { auth: { scopes: [] } } }, () => 'open')
    }
  })
  t.match(await service.get('/taken'), { status: 500, text: /Internal Server Error/ })
})

t.test('draining: not ready, every response closes its connection, requests are still served', async (t) => {
  const service = await startService(t, { key })
  service.app.beginDrain()
  t.match(await service.get('/health/ready'), { status: 503, body: { status: 'unavailable', conditions: { draining: String } } })
  const response = await service.get('/api/private', service.issuer.token())
  t.equal(response.status, 200)
  t.equal(response.headers.get('connection'), 'close')
})

t.test('one log line for a request: method, route, status, client, reason; no header, no query', async (t) => {
  const service = await startService(t, { key })
  const before = service.lines.length
  await service.get('/api/private?password=sEcReT', service.issuer.token())
  await service.get('/api/unknown?password=sEcReT', service.issuer.token())
  await service.get('/api/private', 'sEcReT.x.y')
  const lines = service.lines.slice(before)
  t.match(lines, [
    { msg: 'request', method: 'GET', route: '/api/private', status: 200, client: 'test_client', ms: Number },
    { msg: 'request', method: 'GET', route: 'none', status: 404 },
    { msg: 'request', route: '/api/private', status: 401, reason: 'not_base64url', hint: String }
  ])
  t.equal(lines.length, 3)
  t.notMatch(JSON.stringify(lines), /sEcReT/)
})

t.test('request.log in a handler: a child logger with the id of the request, made when it is used', async (t) => {
  const service = await startService(t, {
    key,
    environment: { LOG_LEVEL: 'trace' },
    prepare: (app) => app.get('/log', { config: { auth: 'public' } }, (request) => {
      const { log } = request
      for (const level of ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const) log[level]({ said: level }, 'own')
      log.child({ part: 'child' }).info('own')
      return { level: log.level, id: request.id }
    })
  })
  const { body } = await service.get('/log')
  t.equal(body.level, 'trace')
  const own = service.lines.filter(({ msg }) => msg === 'own')
  t.same(own.map(({ said, part }) => said ?? part), ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'child'])
  t.ok(own.every(({ reqId }) => reqId === body.id))
  t.match(service.lines.at(-1), { msg: 'request', reqId: body.id })
})
