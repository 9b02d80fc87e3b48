import { connect, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { newKey } from '../support/issuer.ts'
import { bodyOf, headersOf, raw, statusOf } from '../support/raw.ts'
import { startService, until, type Service, type ServiceOptions } from '../support/service.ts'
import { ADDRESSES, twoAddresses } from '../support/two-addresses.ts'

const key = newKey()

/** A connection to each place, accepted there, on which nothing is sent. */
async function connectToAll ({ app }: Service, places: ReadonlyArray<{ readonly url: string }>): Promise<Socket[]> {
  let accepted = 0
  for (const server of app.listeners.servers) server.on('connection', () => { accepted++ })
  const opened = places.map(({ url }) => connect(Number(new URL(url).port), new URL(url).hostname).on('error', () => undefined))
  await until(() => accepted === places.length)
  return opened
}

interface Both { readonly service: Service, readonly places: ReadonlyArray<{ readonly url: string }> }

async function startOnBoth (t: Test, options: ServiceOptions = {}): Promise<Both> {
  twoAddresses(t)
  const service = await startService(t, { key, ...options })
  t.same((service.app.addresses() as AddressInfo[]).map(({ address }) => address).sort(), ADDRESSES)
  const { port } = new URL(service.url)
  return { service, places: ADDRESSES.map((address) => ({ url: `http://${address}:${port}` })) }
}

t.test('every listener has every limit', async (t) => {
  const { service: { app } } = await startOnBoth(t)
  t.equal(app.listeners.servers.length, 2)
  t.ok(app.server.listening)
  for (const server of app.listeners.servers) {
    t.match(server, { headersTimeout: 20_000, requestTimeout: 30_000, keepAliveTimeout: 130_000, timeout: 140_000, maxHeadersCount: 0 })
  }
})

t.test('the routes are the same on every listener', async (t) => {
  const { service: { issuer }, places } = await startOnBoth(t)
  const authorization = `Bearer ${issuer.token({ scope: 'test_api_access' })}`
  for (const { url } of places) {
    for (const [path, headers, status] of [
      ['/api/public', {}, 200], ['/api/private', {}, 401], ['/api/private', { authorization }, 200],
      ['/api/private-scoped', { authorization }, 200], ['/nothing', {}, 404]
    ] as const) {
      t.equal((await fetch(`${url}${path}`, { headers })).status, status, `${url}${path}`)
    }
  }
})

t.test('where Node would send a bare status, our problem body is sent, on every listener', async (t) => {
  const { service, places } = await startOnBoth(t)
  const many = Array.from({ length: 2_100 }, () => 'x:y\r\n').join('')
  const token = service.issuer.token()
  const cases: ReadonlyArray<readonly [name: string, text: string, status: number]> = [
    ['no Host', 'GET /api/public HTTP/1.1\r\nConnection: close\r\n\r\n', 400],
    ['a foreign Expect', 'GET /api/public HTTP/1.1\r\nHost: a\r\nExpect: eVil\r\n\r\n', 417],
    ['not HTTP', 'eVil\r\n\r\n', 400],
    ['two lengths', 'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\neVil', 400],
    ['a head of 30 kB', `GET /api/public HTTP/1.1\r\nHost: a\r\nX: ${'eVil'.repeat(7_500)}\r\n\r\n`, 431],
    ['CONNECT', 'CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n', 405],
    ['/%zz', 'GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400],
    [
      'a second Authorization after 2,000 headers',
      `GET /api/private HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n${many}Authorization: Bearer x.y.z\r\nConnection: ` +
      'close\r\n\r\n',
      400
    ]
  ]
  for (const place of places) {
    for (const [name, text, status] of cases) {
      const response = await raw(place, text)
      t.equal(statusOf(response), status, `${name} at ${place.url}`)
      t.match(bodyOf(response), new RegExp(`^\\{"type":"about:blank","title":"[^"]+","status":${status},`), name)
      const head = headersOf(response).toLowerCase()
      t.match(head, 'content-type: application/problem+json')
      t.match(head, 'x-content-type-options: nosniff')
      t.notMatch(response, /eVil/)
    }
    const expecting = await raw(
      place,
      'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\nExpect: 100-continue\r\n\r\n'
    )
    t.equal(statusOf(expecting), 401, 'no 100 Continue before the access check')
    const authorization = `Bearer ${service.issuer.token({ scope: 'test_api_access' })}`
    const welcome = await raw(
      place,
      'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 12\r\nExpect: ' +
      `100-continue\r\nAuthorization: ${authorization}\r\nConnection: close\r\n\r\n{"text":"a"}`
    )
    t.match(welcome, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 201 Created/)
  }
})

t.test('Upgrade is ignored: the response is that of the route, and the connection is closed', async (t) => {
  const { service, places } = await startOnBoth(t)
  const token = service.issuer.token()
  for (const place of places) {
    for (const protocol of ['websocket', 'h2c']) {
      for (const [credentials, status] of [['', 401], [`Authorization: Bearer ${token}\r\n`, 200]] as const) {
        const response = await raw(
          place,
          `GET /api/private HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n${credentials}\r\n`,
          5_000
        )
        t.equal(statusOf(response), status, `${protocol} at ${place.url}`)
        t.match(headersOf(response).toLowerCase(), /connection: close/)
      }
    }
  }
})

t.test('the end of the application waits for requests under way on every listener', async (t) => {
  const waiting: Array<() => void> = []
  const { service: { app }, places } = await startOnBoth(t, {
    prepare: (app) =>
      app.get('/slow', { config: { auth: 'public' } }, () => new Promise((resolve) => { waiting.push(() => resolve({ done: true })) }))
  })
  const responses = places.map(async ({ url }) => (await fetch(`${url}/slow`)).json())
  await until(() => waiting.length === 2)
  let closed = false
  const end = app.close().then(() => { closed = true })
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.notOk(closed)
  for (const finish of waiting) finish()
  t.same(await Promise.all(responses), [{ done: true }, { done: true }])
  await end
  for (const { url } of places) await t.rejects(fetch(url), 'nothing listens any more')
})

t.test('a connection that was accepted before the end is served, though its first request comes after it', async (t) => {
  const { service, places } = await startOnBoth(t, { limits: { firstRequestMs: 60_000 } })
  const { app } = service
  const opened = await connectToAll(service, places)
  const end = app.close()
  await until(() => app.listeners.servers.every(({ listening }) => !listening))
  await new Promise((resolve) => setTimeout(resolve, 300))
  for (const socket of opened) {
    let response = ''
    const ended = new Promise((resolve) => socket.on('close', resolve).on('data', (chunk: Buffer) => { response += chunk.toString() }))
    socket.write('GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n')
    await ended
    t.equal(statusOf(response), 200)
  }
  await end
})

t.test('a connection on which nothing is received does not keep the application from its end', async (t) => {
  const { service, places } = await startOnBoth(t, { limits: { firstRequestMs: 200 } })
  const { app } = service
  const opened = await connectToAll(service, places)
  const ended = opened.map((socket) => new Promise((resolve) => socket.on('close', resolve).resume()))
  await app.close()
  await Promise.all(ended)
})

t.test('closeAll cuts what is open on every listener', async (t) => {
  const { service: { app }, places } = await startOnBoth(t)
  const sockets = places.map(({ url }) => connect(Number(new URL(url).port), new URL(url).hostname))
  const ended = sockets.map((socket) =>
    new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve).write('GET /api/public HTTP/1.1\r\n')))
  await until(() => sockets.every((socket: Socket) => socket.bytesWritten > 0))
  await new Promise((resolve) => setTimeout(resolve, 100))
  const end = app.close()
  app.listeners.closeAll()
  await Promise.all([...ended, end])
})

t.test('a connection with more requests under way than the limit is closed after the responses to those within it', async (t) => {
  const { service: { app, lines }, places } = await startOnBoth(
    t,
    { prepare: (app) => app.get('/n/:n', { config: { auth: 'public' } }, (request) => request.params) }
  )
  for (const place of places) {
    const response = await raw(place, Array.from({ length: 1_000 }, (_, n) => `GET /n/${n} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''), 10_000)
    const statuses = [...response.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
    t.same(statuses, Array.from({ length: 1_000 }, (_, n) => n < 64 ? 200 : 503), 'each has a response')
    t.same([...response.matchAll(/\{"n":"(\d+)"\}/g)].map(([, n]) => Number(n)), Array.from({ length: 64 }, (_, n) => n), 'in their order')
    const refusals = response.toLowerCase().split('http/1.1 503').slice(1)
    t.ok(refusals.every((one) => /retry-after: 1\r\n/.test(one)))
    t.equal(new Set(refusals.map((one) => /x-request-id: (\S+)/.exec(one)?.[1])).size, 1, 'the id of the one line in the log')
    t.equal(
      statusOf(await raw(place, 'GET /api/public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')),
      200,
      'other connections are served'
    )
  }
  await until(() => lines.filter(({ status }) => status === 503).length === 2)
  t.ok(app)
})

t.test('connections may pipeline within the limit for as long as they like', async (t) => {
  const service = await startService(t, { key })
  const batch = Array.from({ length: 60 }, () => 'GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n').join('')
  const socket = connect(Number(new URL(service.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  let responses = ''
  socket.on('data', (chunk) => { responses += chunk.toString() })
  for (let n = 1; n <= 5; n++) {
    socket.write(batch)
    await until(() => responses.split('HTTP/1.1 200').length - 1 === 60 * n)
  }
})

t.test('a refusal leaves a short body to be read, and closes the connection over a long one', async (t) => {
  const { service, places } = await startOnBoth(t)
  const head = (length: string): string => `POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${length}\r\n\r\n`
  for (const place of places) {
    const short = await raw(
      place,
      `${head('Content-Length: 20')}${'x'.repeat(20)}GET /api/public HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
    )
    t.match(short, /^HTTP\/1\.1 401[^]*HTTP\/1\.1 200/)
    for (const length of ['Content-Length: 1000000000', 'Transfer-Encoding: chunked']) {
      const begun = length.startsWith('T') ? `FFFFF\r\n${'x'.repeat(70_000)}` : 'x'.repeat(70_000)
      const long = await raw(place, `${head(length)}${begun}`, 10_000)
      t.equal(statusOf(long), 401, length)
      t.match(headersOf(long).toLowerCase(), /connection: close/)
      t.match(JSON.parse(bodyOf(long)), { status: 401, request_id: String }, 'the whole response arrives')
    }
    t.match(
      headersOf(await raw(place, head('Content-Length: 20\r\nExpect: 100-continue'), 10_000)).toLowerCase(),
      /connection: close/,
      'the body may come or not'
    )
  }
  for (const megabytes of [1, 10]) {
    const response = await service.ask('/api/messages', {
      method: 'POST', body: 'x'.repeat(megabytes * 1_000_000)
    }).catch((error: Error) => error)
    t.match(response, { status: 401 }, 'a client that sends it all gets to read the response')
  }
})

t.test('connections that are silent or slow end, whatever was begun', async (t) => {
  const limits = { headersTimeoutMs: 300, requestTimeoutMs: 600, checkIntervalMs: 50, keepAliveTimeoutMs: 300, connectionTimeoutMs: 900 }
  const { places } = await startOnBoth(t, { limits })
  const begun = [
    ['nothing at all', '', 408],
    ['a part of a head', 'GET /api/public HTTP/1.1\r\nHost:', 408],
    ['a head without its body', 'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n', 401],
    ['a whole request, then nothing', 'GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n', 200]
  ] as const
  for (const place of places) {
    for (const [name, text, status] of begun) {
      let ended = false
      const response = await raw(place, text, 20_000).finally(() => { ended = true })
      t.ok(ended)
      t.same([...response.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, found]) => Number(found)), [status], `${name}: one response`)
    }
  }
})

t.test('a connection without a byte in either direction ends, also under a handler that does not respond', async (t) => {
  let waiting = 0
  const { places } = await startOnBoth(t, {
    limits: { connectionTimeoutMs: 300 },
    prepare: (app) => app.get('/waits', { config: { auth: 'public' } }, async () => { waiting++; await new Promise(() => undefined) })
  })
  for (const [at, place] of places.entries()) {
    t.equal(await raw(place, 'GET /waits HTTP/1.1\r\nHost: a\r\n\r\n', 20_000), '')
    t.equal(waiting, at + 1, 'the handler had begun')
  }
})

t.test('a request with as many headers as a server reads is refused, whichever server read it', async (t) => {
  const { service, places } = await startOnBoth(t)
  const token = service.issuer.token()
  const request = (headers: number): string =>
    `GET /api/private HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n${'x:y\r\n'.repeat(headers - 3)}\r\n`
  // Listeners of an application that sets no limit, a small one, or one that only its first server has.
  for (const [limits, refusedFrom] of [[[null, null], 1_000], [[10, 10], 10], [[0, null], 1_000], [[5_000, null], 1_000]] as const) {
    service.app.listeners.servers.forEach((server, at) => { server.maxHeadersCount = limits[at] as number | null })
    for (const place of places) {
      t.equal(statusOf(await raw(place, request(refusedFrom - 1))), 200, `${refusedFrom - 1} headers`)
      t.equal(statusOf(await raw(place, request(refusedFrom))), 400, `${refusedFrom} headers`)
    }
  }
  t.match(service.lines.at(-1), { reason: 'headers_too_many' })
})
