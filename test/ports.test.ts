import { createServer, type Server } from 'node:net'
import t, { type Test } from 'tap'
import { serve } from './support/server-process.ts'
import { until } from './support/service.ts'

async function occupy (t: Test, port: number, host: string): Promise<Server> {
  // A service that fetches keys from here ends while it does: read to the end, so that the connection closes.
  const server = createServer((socket) => socket.on('error', () => undefined).resume())
  await new Promise<void>((done, fail) => server.on('error', fail).listen(port, host, done))
  t.teardown(() => new Promise((done) => server.close(done)))
  return server
}

t.test('ports that are taken: what to set, for both of them', async (t) => {
  const taken = await occupy(t, 0, 'localhost')
  const port = String((taken.address() as { port: number }).port)
  const issuerTaken = await occupy(t, 0, '127.0.0.1')
  const issuerPort = String((issuerTaken.address() as { port: number }).port)
  const server = serve(t, { PORT: port, DEVELOPMENT_ISSUER_PORT: issuerPort })
  t.equal(await server.code, 1)
  t.match(server.err(), `port ${port} is taken. Set PORT`)
  t.match(server.err(), new RegExp(
    `port ${issuerPort} is taken[^]*ISSUER=http://localhost:${issuerPort}/realms/myorg and AUDIENCE=test_api[^]*DEVELOPMENT_ISSUER_PORT`
  ))
  t.notMatch(server.err(), /^\s+at /m)
})

t.test('two services with development issuers run side by side, each with its own', async (t) => {
  const servers = [serve(t, { PORT: '0', DEVELOPMENT_ISSUER_PORT: '0' }), serve(t, { PORT: '0', DEVELOPMENT_ISSUER_PORT: '0' })]
  await Promise.all(servers.map((server) => until(() => /curl -i/.test(server.out()), 50_000)))
  const places = servers.map((server) => ({
    api: /^ {2}API +(\S+)$/m.exec(server.out())?.[1] ?? '', issuer: /^ {2}Development issuer +(\S+)$/m.exec(server.out())?.[1] ?? ''
  }))
  const form = {
    grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: 'test-api-client-demo-secret', scope: 'test_api_access'
  }
  for (const [at, { issuer, api }] of places.entries()) {
    const response = await fetch(`${issuer}/protocol/openid-connect/token`, { method: 'POST', body: new URLSearchParams(form) })
    const { access_token: token } = await response.json() as { access_token: string }
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await fetch(`${api}/api/private-scoped`, { headers })).status, 200, `service ${at + 1} accepts a token of its issuer`)
    t.equal((await fetch(`${places[1 - at]?.api ?? ''}/api/private-scoped`, { headers })).status, 401, 'the other does not')
  }
})

t.test('an address that is not of this machine', async (t) => {
  const server = serve(t, { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '192.0.2.1', PORT: '0' })
  t.equal(await server.code, 1)
  t.match(server.err(), /HOST=192\.0\.2\.1 is not an address of this machine/)
})
