// In a process of its own: it replaces dns.lookup.
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import t from 'tap'
import { VERSION } from '../src/about.ts'
import { TestIssuer, newKey } from './support/issuer.ts'
import { serve } from './support/server-process.ts'
import { until } from './support/service.ts'
import { ADDRESSES } from './support/two-addresses.ts'

t.test('with an issuer: starts, serves, and SIGINT ends it cleanly', async (t) => {
  const issuer = await TestIssuer.start(newKey())
  t.teardown(() => issuer.stop())
  const server = serve(t, { ISSUER: issuer.issuer, AUDIENCE: 'test_api', PORT: '0' })
  await until(() => /Ctrl-C ends it/.test(server.out()), 50_000)
  const url = /Scopegate .* listens on (\S+) and/.exec(server.out())?.[1] ?? ''
  t.match(server.out(), `accepts tokens of ${issuer.issuer} made for test_api`)
  t.equal((await fetch(`${url}/health/live`)).status, 200)
  await until(() => issuer.fetches > 0)
  t.equal((await fetch(`${url}/api/private`, { headers: { authorization: `Bearer ${issuer.token()}` } })).status, 200)
  server.child.kill('SIGINT')
  t.equal(await server.code, 0)
  t.match(server.out(), /"route":"\/api\/private","status":200/, 'the last lines of the log are written')
  t.equal(server.err(), '')
})

t.test('production: JSON only, SIGTERM drains, a second signal ends at once', async (t) => {
  const issuer = await TestIssuer.start(newKey())
  t.teardown(() => issuer.stop())
  const server = serve(t, { ISSUER: issuer.issuer, AUDIENCE: '*', PORT: '0', NODE_ENV: 'production' })
  await until(() => /listening on/.test(server.out()) && /are known/.test(server.out()), 50_000)
  const lines = server.out().trim().split('\n').map((line) => JSON.parse(line) as { msg: string, level: number })
  t.ok(lines.some(({ msg, level }) => level === 40 && msg.startsWith('AUDIENCE=*')), 'the warning')
  const url = /listening on (http:\S+?)"/.exec(server.out())?.[1] ?? ''
  server.child.kill('SIGTERM')
  await until(() => /the process exits/.test(server.out()), 50_000)
  const ready = await fetch(`${url}/health/ready`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { status: 'unavailable', conditions: { draining: String } })
  const served = await fetch(`${url}/api/public`)
  t.equal(served.status, 200, 'while gateways take notice')
  t.equal(served.headers.get('connection'), 'close')
  server.child.kill('SIGTERM')
  t.equal(await server.code, 1)
})

/** As the signal would, when its process listens for it the first time: long before it serves. */
const atOnce = (signal: string): string => `data:text/javascript,process.on("newListener",function once(name){
  if(name!=="${signal}")return;process.off("newListener",once);process.nextTick(()=>process.emit(name))})`

t.test('a signal during the start ends the process: in a container the kernel would not', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT']) {
    const environment = { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', PORT: '0', NODE_ENV: 'production' }
    const server = serve(t, environment, { node: ['--import', atOnce(signal)] })
    t.equal(await server.code, 0, signal)
    t.notMatch(server.out(), /listening on/, signal)
    t.equal(server.err(), '', signal)
  }
})

const somaxconn = (): number => {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'latin1'))
  } catch {
    return 0
  }
}

// Where there is no room, the kernel drops the first packet, and the caller repeats it after a second.
t.test('a crowd that connects at once waits to be accepted: none is sent away to try again', {
  skip: somaxconn() >= 1_200 ? false : 'the kernel lets fewer wait'
}, async (t) => {
  const server = serve(t, { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', PORT: '0', NODE_ENV: 'production' })
  await until(() => /listening on/.test(server.out()), 50_000)
  const { port } = new URL(/listening on (http:\S+?)"/.exec(server.out())?.[1] ?? '')
  server.child.kill('SIGSTOP')
  const sockets = Array.from({ length: 1_000 }, () => connect({ port: Number(port), host: '127.0.0.1' }))
  let connected = 0
  for (const socket of sockets) socket.once('connect', () => { connected++ }).on('error', () => undefined)
  await until(() => connected === sockets.length, 50_000)
  t.equal(connected, 1_000, 'while it accepts nobody')
  const [socket] = sockets
  const response = new Promise<string>((resolve) => { socket?.once('data', (data) => resolve(data.toString())) })
  socket?.write('GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  server.child.kill('SIGCONT')
  t.match(await response, /^HTTP\/1\.1 200 /)
  for (const one of sockets) one.destroy()
})

t.test('a wrong configuration: one sentence for each error, all at once, exit 1, no stack trace', async (t) => {
  const server = serve(t, { ISSUER: 'nonsense', PORT: 'abc' })
  t.equal(await server.code, 1)
  for (const name of ['ISSUER', 'AUDIENCE', 'PORT']) t.match(server.err(), new RegExp(`^  ${name}: `, 'm'))
  t.notMatch(server.err(), /^\s+at /m)
})

t.test('production without an issuer does not start', async (t) => {
  const server = serve(t, { NODE_ENV: 'production' })
  t.equal(await server.code, 1)
  t.match(server.err(), /^Scopegate cannot start: 2 errors in the configuration[^]*ISSUER: required/)
})

t.test('the start names version and Node, and the version is that of package.json', async (t) => {
  t.equal((JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }).version, VERSION)
  const server = serve(t, { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', PORT: '0', NODE_ENV: 'production' })
  await until(() => /on Node\.js/.test(server.out()), 50_000)
  const line = server.out().split('\n').find((one) => one.includes('on Node.js')) ?? '{}'
  t.match(JSON.parse(line), { version: VERSION, node: process.version, msg: `Scopegate ${VERSION} on Node.js ${process.version}` })
})

/** In a process of its own: `localhost` has two addresses. */
const TWO_ADDRESSES = `import dns from 'node:dns'
const { lookup } = dns
dns.lookup = (host, options, callback = options) => host !== 'localhost'
  ? lookup(host, options, callback)
  : process.nextTick(() => options.all
    ? callback(null, ['127.0.0.1', '127.0.0.2'].map((address) => ({ address, family: 4 })))
    : callback(null, '127.0.0.1', 4))
`

const accepts = (address: string, port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connect(port, address, () => resolve(true))
  socket.on('connect', () => socket.destroy()).on('error', () => resolve(false))
})

t.test('SIGTERM: a request under way on the second listener has its response, then the process ends', async (t) => {
  const issuer = await TestIssuer.start(newKey('ES256'))
  t.teardown(() => issuer.stop())
  const preload = `data:text/javascript,${encodeURIComponent(TWO_ADDRESSES)}`
  const environment = { ISSUER: issuer.issuer, AUDIENCE: 'test_api', PORT: '0', ALGORITHMS: 'ES256' }
  const server = serve(t, environment, { node: ['--import', preload] })
  await until(() => /Ctrl-C ends it/.test(server.out()) && issuer.fetches > 0, 50_000)
  const port = Number(/listens on http:\S+?:(\d+)/.exec(server.out())?.[1])
  const token = issuer.token({ scope: 'test_api_access' })
  const body = '{"text":"sent in two parts"}'
  const calls = ADDRESSES.map((address) => {
    const call = { socket: connect(port, address), received: '', ended: false }
    call.socket.on('data', (chunk: Buffer) => { call.received += chunk.toString() })
    call.socket.on('close', () => { call.ended = true }).on('error', () => undefined)
    call.socket.write(`POST /api/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nExpect: 100-continue\r\n\r\n`)
    return call
  })
  await until(() => calls.every(({ received }) => received.startsWith('HTTP/1.1 100')), 50_000)
  for (const { socket } of calls) socket.write(body.slice(0, 5))
  server.child.kill('SIGTERM')
  await until(() => /the process exits/.test(server.out()), 50_000)
  for (const address of ADDRESSES) while (await accepts(address, port)) await new Promise((resolve) => setTimeout(resolve, 20))
  for (const { socket } of calls) socket.write(body.slice(5))
  await until(() => calls.every(({ ended }) => ended), 50_000)
  for (const { received } of calls) t.match(received, /HTTP\/1\.1 201 Created[^]*"text":"sent in two parts"/)
  t.equal(await server.code, 0)
})
