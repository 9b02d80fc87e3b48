import { execFile } from 'node:child_process'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import type { Test } from 'tap'

const PROGRAM = fileURLToPath(new URL('../../dist/src/cli/healthcheck.js', import.meta.url))

interface Run { readonly code: unknown, readonly out: string, readonly err: string }

/**
 * The program as built, in a process of its own, in a folder without `.env`; in development, where HOST may be every address
 * without an issuer.
 */
function run (t: Test, environment: Record<string, string>): Promise<Run> {
  return new Promise((resolve) => {
    const options = { cwd: t.testdir({}), env: { ...process.env, NODE_ENV: 'development', ...environment } }
    execFile(process.execPath, [PROGRAM], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : error.code, out, err }))
  })
}

async function listen (t: Test, respond: RequestListener, host = '127.0.0.1'): Promise<string> {
  const server = createServer(respond)
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return String((server.address() as AddressInfo).port)
}

t.test('alive: exit 0 and silence, by the path of liveness', async (t) => {
  const paths: unknown[] = []
  const PORT = await listen(t, (request, response) => {
    paths.push(request.url)
    response.end('{"status":"ok"}')
  })
  t.same(await run(t, { HOST: 'localhost', PORT }), { code: 0, out: '', err: '' })
  t.same(paths, ['/health/live'])
})

t.test('listening on every address; a response whose body never ends is a response', async (t) => {
  const PORT = await listen(t, (_request, response) => void response.write('{'))
  t.same(await run(t, { HOST: '0.0.0.0', PORT }), { code: 0, out: '', err: '' })
})

t.test('not alive: exit 1 and the reason', async (t) => {
  const PORT = await listen(t, (_request, response) => response.writeHead(503).end())
  t.same(await run(t, { HOST: '0.0.0.0', PORT }), { code: 1, out: '', err: 'Not alive: /health/live responded with 503\n' })
  t.match(await run(t, { HOST: '127.0.0.1', PORT: '1' }), { code: 1, err: /^Not alive: .*ECONNREFUSED 127\.0\.0\.1:1\n$/ })
})

t.test('a service that hangs is not alive after 3 s', async (t) => {
  const PORT = await listen(t, () => undefined)
  t.same(await run(t, { HOST: '0.0.0.0', PORT }), { code: 1, out: '', err: 'Not alive: no response within 3 s\n' })
})
