import { execFile } from 'node:child_process'
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { brotliCompressSync } from 'node:zlib'
import t from 'tap'
import { createBoundedFetch, type Bounds, type FetchError, type FetchErrorCode } from '../../src/http/bounded-fetch.ts'
import { collectAlways } from '../support/collector.ts'
import { sourceProgram } from '../support/source-program.ts'
import { drip, listenOn, untilNoneOpen } from '../support/wire.ts'

const BOUNDS: Bounds = { deadlineMs: 200, maxBytes: 1000 }
const LONG: Bounds = { deadlineMs: 60_000, maxBytes: 1000 }

t.test('a response within the bounds: status, every header, text', async (t) => {
  const { url } = await listenOn(t, (request, response) => {
    response.writeHead(404, { 'X-Own': 'one', 'retry-after': '7', 'set-cookie': ['a=1', 'b=2'] }).end(`${request.method} é`)
  })
  const bounded = createBoundedFetch(LONG)
  t.teardown(() => bounded.close())
  const response = await bounded.fetch(url, { method: 'POST', headers: { accept: 'text/plain' }, body: 'x' })
  t.match(response, { status: 404, text: 'POST é', headers: { 'x-own': 'one', 'retry-after': '7', 'set-cookie': 'a=1,b=2' } })
})

t.test('the deadline ends silence and a dripping body, 20 of 20, and closes the connection', async (t) => {
  collectAlways(t)
  const cases: ReadonlyArray<readonly [string, RequestListener]> = [
    ['no response', () => undefined],
    ['headers and no body', (_request, response) => { response.writeHead(200).flushHeaders() }],
    ['a dripping body', (_request, response) => { drip(response) }],
    ['a dripping body of known length', (_request, response) => { drip(response, { 'content-length': '900' }) }]
  ]
  for (const [name, handle] of cases) {
    await t.test(name, async (t) => {
      const wire = await listenOn(t, handle)
      const bounded = createBoundedFetch(BOUNDS)
      t.teardown(() => bounded.close())
      const all = await Promise.allSettled(Array.from({ length: 20 }, () => bounded.fetch(wire.url)))
      t.equal(all.filter(({ status }) => status === 'rejected').length, 20)
      t.match(all[0], { reason: { name: 'FetchError', code: 'deadline', message: 'no complete response within 200 ms', cause: undefined } })
      await untilNoneOpen(wire)
    })
  }
})

t.test('the deadline ends a library\'s own fetch as well, with nothing but the options', async (t) => {
  collectAlways(t)
  const wire = await listenOn(t, (_request, response) => { drip(response) })
  const bounded = createBoundedFetch(BOUNDS)
  t.teardown(() => bounded.close())
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => {
    const { options, response } = bounded.exchange()
    return response(fetch(wire.url, options).then(async (one) => await one.json()))
  }))
  t.ok(all.every((one) => one.status === 'rejected' && (one.reason as FetchError).code === 'deadline'))
  await untilNoneOpen(wire)
})

t.test('what exceeds the bounds is refused, and its connection closed', async (t) => {
  const cases: ReadonlyArray<readonly [string, { readonly code: FetchErrorCode, readonly message?: string }, RequestListener]> = [
    [
      'a body that is too long',
      { code: 'too_large', message: 'a response of more than 1000 bytes' },
      (_request, response) => { response.end('x'.repeat(1001)) }
    ],
    ['an endless body', { code: 'too_large' }, (_request, response) => {
      const timer = setInterval(() => response.write('x'.repeat(100)), 1)
      response.on('close', () => clearInterval(timer))
    }],
    ['a compressed bomb', { code: 'content_encoding' }, (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'br' }).end(brotliCompressSync(Buffer.alloc(1 << 20)))
    }],
    [
      'one of several encodings',
      { code: 'content_encoding' },
      (_request, response) => { response.writeHead(200, { 'content-encoding': 'identity, gzip' }).end() }
    ],
    ...[300, 301, 302, 303, 307, 308].map((status) => [
      `a redirect with ${status}`, { code: 'redirect' as const, message: `a redirect (${status}), which is never followed` },
      (_request: IncomingMessage, response: ServerResponse) => { response.writeHead(status, { location: '/elsewhere' }).end('body') }
    ] as const)
  ]
  for (const [name, error, handle] of cases) {
    await t.test(name, async (t) => {
      let requests = 0
      const wire = await listenOn(t, (request, response) => {
        requests++
        handle(request, response)
      })
      const bounded = createBoundedFetch(LONG)
      t.teardown(() => bounded.close())
      await t.rejects(bounded.fetch(wire.url), error)
      t.equal(requests, 1, 'not followed')
      await untilNoneOpen(wire)
    })
  }
})

t.test('not modified is a response; a Content-Encoding that means none is none', async (t) => {
  for (const encoding of ['', ' ', 'identity', 'Identity', 'IDENTITY', 'identity, identity', ',']) {
    const { url } = await listenOn(t, (_request, response) => { response.writeHead(200, { 'content-encoding': encoding }).end('text') })
    const bounded = createBoundedFetch(LONG)
    t.teardown(() => bounded.close())
    t.match(await bounded.fetch(url), { text: 'text' }, JSON.stringify(encoding))
  }
  const { url } = await listenOn(t, (_request, response) => { response.writeHead(304).end() })
  const bounded = createBoundedFetch(LONG)
  t.teardown(() => bounded.close())
  t.equal((await bounded.fetch(url)).status, 304)
})

t.test('early hints are skipped', async (t) => {
  const { url } = await listenOn(t, (_request, response) => {
    response.writeEarlyHints({ link: '</x>; rel=preload' }, () => { response.end('text') })
  })
  const bounded = createBoundedFetch(LONG)
  t.teardown(() => bounded.close())
  t.match(await bounded.fetch(url), { status: 200, text: 'text' })
})

t.test('a deadline costs no timer once the exchange is over', async (t) => {
  const wire = await listenOn(t, (request, response) => { if (request.url === '/cut') response.destroy(); else response.end() })
  const set = new Set<NodeJS.Timeout>()
  const { setTimeout, clearTimeout } = globalThis
  t.teardown(() => { Object.assign(globalThis, { setTimeout, clearTimeout }) })
  Object.assign(globalThis, {
    setTimeout: (call: () => void, ms: number) => {
      const timer = setTimeout(call, ms)
      if (ms === LONG.deadlineMs) set.add(timer)
      return timer
    },
    clearTimeout: (timer: NodeJS.Timeout) => {
      set.delete(timer)
      clearTimeout(timer)
    }
  })
  const bounded = createBoundedFetch(LONG)
  t.teardown(() => bounded.close())
  await bounded.fetch(wire.url)
  await t.rejects(bounded.fetch(`${wire.url}/cut`), { code: 'unreachable' })
  await t.rejects(bounded.fetch('http://127.0.0.1:1'), { code: 'unreachable', systemCode: 'BAD_PORT' })
  const unfinished = bounded.exchange()
  t.equal(set.size, 1, 'the one under way')
  await t.rejects(unfinished.response(Promise.reject(new Error('of the library'))), { code: 'unreachable', message: 'of the library' })
  t.equal(set.size, 0)
})

t.test('connections are kept, and a new one is opened on request', async (t) => {
  const wire = await listenOn(t, (_request, response) => { response.end('text') })
  const bounded = createBoundedFetch(LONG)
  t.teardown(() => bounded.close())
  const callOnce = async (newConnection: boolean): Promise<number> => {
    const { options, response } = bounded.exchange({ newConnection })
    t.equal((await response(fetch(wire.url, options).then(async (one) => await one.text()))).text, 'text')
    await new Promise((done) => setTimeout(done, 20)) // until undici counts the connection as free
    return wire.accepted
  }
  t.same([await callOnce(false), await callOnce(false), await callOnce(true), await callOnce(true), await callOnce(false)], [1, 1, 2, 3, 3])
  t.ok(await wire.open() <= 2, 'new ones are not kept')
})

t.test('nobody there: the code of the innermost cause', async (t) => {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  const bounded = createBoundedFetch(LONG)
  t.teardown(() => bounded.close())
  await t.rejects(bounded.fetch(`http://127.0.0.1:${port}`), { code: 'unreachable', message: 'ECONNREFUSED', cause: undefined })
  const { options, response } = bounded.exchange()
  t.ok(options.dispatcher)
  // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- what a library may do
  await t.rejects(response(Promise.reject(null)), { code: 'unreachable', message: 'the connection failed' })
})

t.test('close ends what is under way, never rejects, and nothing is sent afterwards', async (t) => {
  const wire = await listenOn(t, () => undefined)
  const unused = createBoundedFetch(LONG)
  await unused.close()
  await unused.close()
  await t.rejects(unused.fetch(wire.url), { code: 'unreachable', message: 'the connections are closed' })
  const bounded = createBoundedFetch(LONG)
  const pending = t.rejects(bounded.fetch(wire.url), { code: 'unreachable' })
  while (await wire.open() === 0) await new Promise((done) => setTimeout(done, 5))
  await bounded.close()
  await pending
  await untilNoneOpen(wire)
  t.equal(wire.accepted, 1)
})

t.test('undici that cannot be loaded for want of file descriptors is loaded by the next call', async (t) => {
  const wire = await listenOn(t, (_request, response) => { response.end('text') })
  const program = [process.execPath, ...sourceProgram('test/http/few-descriptors.ts'), wire.url]
  const { code, out, err } = await new Promise<{ code: number | null, out: string, err: string }>((done) => {
    const child = execFile('sh', ['-c', 'ulimit -n 200; exec "$@"', 'sh', ...program], (_error, out, err) => {
      done({ code: child.exitCode, out, err })
    })
  })
  t.same({ code, out: out.trim().split('\n') }, { code: 0, out: ['unreachable', 'closed', 'unreachable', '200 text', 'closed'] }, err)
})

t.test('a server that never finishes TLS is left at the deadline', async (t) => {
  const server = createTcpServer((socket) => { socket.on('error', () => undefined) })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  t.teardown(() => server.close())
  const bounded = createBoundedFetch(BOUNDS)
  t.teardown(() => bounded.close())
  await t.rejects(bounded.fetch(`https://127.0.0.1:${(server.address() as AddressInfo).port}`), { code: 'deadline' })
})
