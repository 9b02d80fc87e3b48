import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { TestIssuer, newKey } from './support/issuer.ts'
import { until } from './support/service.ts'

interface Process {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly code: Promise<number | null>
}

/** The server as built, as a process of its own, in an empty folder, with nothing in its environment but what the test says. */
function serve (t: Test, env: Record<string, string>): Process {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const child = spawn(process.execPath, [resolve('dist/src/server.js')], { cwd: folder, env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env } })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  const code = new Promise<number | null>((done) => child.on('close', done))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await code
    rmSync(folder, { recursive: true })
  })
  return { child, out: () => out, err: () => err, code }
}

async function occupy (t: Test, port: number, host: string): Promise<Server> {
  const server = createServer()
  await new Promise<void>((done, fail) => server.on('error', fail).listen(port, host, done))
  t.teardown(() => new Promise((done) => server.close(done)))
  return server
}

t.test('with an issuer: starts, serves, and SIGINT ends it cleanly', async (t) => {
  const issuer = await TestIssuer.start(newKey())
  t.teardown(() => issuer.stop())
  const server = serve(t, { ISSUER: issuer.issuer, AUDIENCE: 'test_api', PORT: '0' })
  await until(() => /Ctrl-C ends it/.test(server.out()), 20_000)
  const url = /Scopegate listens on (\S+)/.exec(server.out())?.[1] ?? ''
  t.match(server.out(), `lets in tokens of ${issuer.issuer} made for test_api`)
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
  await until(() => /listening on/.test(server.out()) && /have changed/.test(server.out()), 20_000)
  const lines = server.out().trim().split('\n').map((line) => JSON.parse(line) as { msg: string, level: number })
  t.ok(lines.some(({ msg, level }) => level === 40 && msg.startsWith('AUDIENCE=*')), 'the warning')
  const url = /listening on (http:\S+?)"/.exec(server.out())?.[1] ?? ''
  server.child.kill('SIGTERM')
  await until(() => /the process ends/.test(server.out()))
  const ready = await fetch(`${url}/health/ready`)
  t.equal(ready.status, 503)
  t.match(await ready.json(), { status: 'unavailable', conditions: { draining: String } })
  const served = await fetch(`${url}/api/public`)
  t.equal(served.status, 200, 'while gateways take notice')
  t.equal(served.headers.get('connection'), 'close')
  server.child.kill('SIGTERM')
  t.equal(await server.code, 1)
})

t.test('a bad configuration: a sentence for each fault, all together, exit 1, no stack trace', async (t) => {
  const server = serve(t, { ISSUER: 'nonsense', PORT: 'abc' })
  t.equal(await server.code, 1)
  for (const name of ['ISSUER', 'AUDIENCE', 'PORT']) t.match(server.err(), new RegExp(`^  ${name}: `, 'm'))
  t.notMatch(server.err(), /^\s+at /m)
})

t.test('production without an issuer does not start', async (t) => {
  const server = serve(t, { NODE_ENV: 'production' })
  t.equal(await server.code, 1)
  t.match(server.err(), /^Scopegate cannot start: a fault in the configuration[^]*ISSUER: required/)
})

t.test('ports that are taken: what to set, for both of them', async (t) => {
  const taken = await occupy(t, 0, 'localhost')
  const port = String((taken.address() as { port: number }).port)
  const issuerPort = await occupy(t, 8080, '127.0.0.1').catch(() => undefined)
  const server = serve(t, { PORT: port })
  t.equal(await server.code, 1)
  t.match(server.err(), `port ${port} is taken. Set PORT`)
  t.match(server.err(), /port 8080 is taken[^]*ISSUER=http:\/\/localhost:8080\/realms\/myorg and AUDIENCE=test_api/)
  t.notMatch(server.err(), /^\s+at /m)
  t.ok(issuerPort ?? true)
})

t.test('an address that is not of this machine', async (t) => {
  const server = serve(t, { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '192.0.2.1', PORT: '0' })
  t.equal(await server.code, 1)
  t.match(server.err(), /HOST=192\.0\.2\.1 is no address of this machine/)
})
