import { createServer, type AddressInfo } from 'node:net'
import { networkInterfaces } from 'node:os'
import t, { type Test } from 'tap'
import { loadConfig } from '../src/config.ts'
import { freePort } from './support/free-port.ts'
import { newKey, TestIssuer } from './support/issuer.ts'
import { serve, type ServerProcess } from './support/server-process.ts'
import { until } from './support/service.ts'

interface Started { readonly server: ServerProcess, readonly api: string, readonly management: string }

function hasIpv6 (): boolean {
  return Object.values(networkInterfaces()).flat().some((one) => one?.family === 'IPv6')
}

async function started (t: Test, env: Record<string, string>): Promise<Started> {
  const issuer = await TestIssuer.start(newKey())
  t.teardown(() => issuer.stop())
  const server = serve(t, {
    ISSUER: issuer.issuer, AUDIENCE: 'test_api', PORT: '0', HOST: '127.0.0.1', MANAGEMENT_PORT: '0', NODE_ENV: 'production', ...env
  })
  await until(() => server.out().includes('accepts access tokens of') && server.out().includes('keys are known'), 60_000)
  const api = /"listening on (http:[^"]+)"/.exec(server.out())?.[1] ?? ''
  const management = /"metrics and health listen on (http:[^"]+)"/.exec(server.out())?.[1] ?? ''
  return { server, api, management }
}

t.test('the management port has metrics and health in full; health stays on the main port, metrics do not', async (t) => {
  const { server, api, management } = await started(t, { AUDIENCE: '*' })
  t.equal((await fetch(`${api}/metrics`)).status, 404)
  t.equal((await fetch(`${management}/api/public`)).status, 404)
  t.equal((await fetch(`${api}/health/live`)).status, 200)
  t.match(await (await fetch(`${management}/health/live`)).json(), { status: 'ok' })
  const proxied = { headers: { 'x-forwarded-for': '192.0.2.1' } }
  t.notOk((await (await fetch(`${api}/health/ready`, proxied)).text()).includes('AUDIENCE'))
  t.match(await (await fetch(`${management}/health/ready`, proxied)).json(), { status: 'ok', conditions: { any_audience: /AUDIENCE=\*/ } })
  t.match(await (await fetch(`${management}/metrics`)).text(), /^scopegate_keys_known\{/m)

  // One of the two is open while the service drains, and for a request under way.
  server.child.kill('SIGTERM')
  let draining = ''
  await until(() => {
    void fetch(`${management}/metrics`).then(async (response) => response.text(), () => '').then((text) => {
      draining ||= text.includes('"draining"') ? text : ''
    })
    return draining !== ''
  }, 20_000)
  t.equal((await fetch(`${management}/health/ready`)).status, 503)
  t.equal(await server.code, 0)
})

t.test('the log names the address that the management port is bound to, every one where it is', async (t) => {
  const cases = [
    ['127.0.0.1', /"metrics and health listen on http:\/\/127\.0\.0\.1:\d+"/],
    ['0.0.0.0', /"metrics and health listen on http:\/\/0\.0\.0\.0:\d+, every address of this machine"/],
    ['::', /"metrics and health listen on http:\/\/\[::\]:\d+, every address of this machine"/]
  ] as const
  for (const [host, line] of cases.slice(0, hasIpv6() ? 3 : 2)) {
    const { server } = await started(t, { MANAGEMENT_HOST: host })
    t.match(server.out(), line)
    t.equal(server.out().match(/metrics and health listen on/g)?.length, 1)
  }
})

t.test('a management port that is taken stops the start, with a sentence that says what to do', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => holder.on('listening', resolve))
  t.teardown(() => holder.close())
  const { port } = holder.address() as AddressInfo
  const taken = serve(t, {
    ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '127.0.0.1', PORT: '0', MANAGEMENT_PORT: String(port),
    NODE_ENV: 'production'
  })
  t.equal(await taken.code, 1)
  t.match(taken.err(), `port ${port} is taken. Set MANAGEMENT_PORT to another port`)
  const nowhere = serve(t, {
    ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '127.0.0.1', PORT: String(port), MANAGEMENT_PORT: String(await freePort()),
    MANAGEMENT_HOST: '192.0.2.1', NODE_ENV: 'production'
  })
  t.equal(await nowhere.code, 1)
  t.match(nowhere.err(), `port ${port} is taken. Set PORT`)
  t.match(nowhere.err(), 'MANAGEMENT_HOST=192.0.2.1 is not an address of this machine. Set MANAGEMENT_HOST to localhost')
  // The management listener of a service that cannot start is closed: the process ends.
  const half = serve(t, {
    ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '127.0.0.1', PORT: String(port), MANAGEMENT_PORT: '0',
    NODE_ENV: 'production'
  })
  t.equal(await half.code, 1)
})

t.test('the settings of the management listener', async (t) => {
  const given = { ISSUER: 'https://sso.example.com/realms/x', AUDIENCE: 'a' }
  t.match(loadConfig(given), { managementPort: undefined, metrics: false })
  t.match(loadConfig({ ...given, METRICS: 'on' }), { managementPort: undefined, metrics: true })
  t.match(
    loadConfig({ ...given, MANAGEMENT_PORT: '9464', HOST: '0.0.0.0' }),
    { managementPort: 9464, managementHost: '0.0.0.0', metrics: true }
  )
  t.match(loadConfig({ ...given, MANAGEMENT_PORT: '9464', MANAGEMENT_HOST: '127.0.0.1' }), { managementHost: '127.0.0.1' })
  t.match(loadConfig({ ...given, PORT: '0', MANAGEMENT_PORT: '0' }), { managementPort: 0 })
  t.throws(() => loadConfig({ ...given, MANAGEMENT_HOST: '127.0.0.1' }), /MANAGEMENT_HOST: only together with MANAGEMENT_PORT/)
})
