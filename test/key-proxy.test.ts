import { request as forward } from 'node:http'
import t from 'tap'
import { createGetJwksSource } from '../src/oauth/get-jwks-source.ts'
import { newKey, TestIssuer } from './support/issuer.ts'
import { serve } from './support/server-process.ts'
import { until } from './support/service.ts'
import { listenOn } from './support/wire.ts'

const [major = 0] = process.versions.node.split('.').map(Number)
const key = newKey('ES256')

for (const switched of [{ USE_ENV_PROXY: 'on' }, ...major >= 24 ? [{ NODE_USE_ENV_PROXY: '1' }] : []]) {
  t.test(`the built service fetches its keys through a forward proxy: ${Object.keys(switched).join()}`, async (t) => {
    const issuer = await TestIssuer.start(key)
    t.teardown(() => issuer.stop())
    const seen: string[] = []
    const proxy = await listenOn(t, (request, response) => {
      seen.push(`${request.method} ${request.url}`)
      const { port, pathname } = new URL(request.url ?? '')
      forward({ host: 'localhost', port, path: pathname, headers: request.headers }, (received) => {
        response.writeHead(received.statusCode ?? 500, received.headers)
        received.pipe(response)
      }).end()
    })
    const name = issuer.issuer.replace('localhost', 'issuer.invalid')
    const server = serve(t, {
      ...switched, HTTP_PROXY: proxy.url, ISSUER: name, AUDIENCE: 'test_api', ALGORITHMS: 'ES256', ALLOW_INSECURE_HTTP: 'on', PORT: '0',
      NODE_ENV: 'production'
    })
    await until(() => /are known/.test(server.out()) && /listening on/.test(server.out()), 50_000)
    t.same(seen, [`GET ${issuer.jwksUrl.replace('localhost', 'issuer.invalid')}`])
    const url = /listening on (http:\S+?)"/.exec(server.out())?.[1] ?? ''
    const { status } = await fetch(`${url}/api/private`, { headers: { authorization: `Bearer ${issuer.token({ iss: name })}` } })
    t.equal(status, 200)
  })
}

t.test('a deadline that a blocked process delays is tried once more before it counts as an outage', async (t) => {
  const issuer = await TestIssuer.start(key)
  const source = createGetJwksSource({ jwksUrl: issuer.jwksUrl, timeoutMs: 200, useEnvProxy: false })
  t.teardown(() => Promise.all([source.close(), issuer.stop()]))
  const fetched = source.fetchKeySet({ kid: '', alg: undefined, newConnection: false })
  const blockedUntil = performance.now() + 1_000
  setImmediate(() => { while (performance.now() < blockedUntil); })
  t.match(JSON.parse((await fetched).text), { keys: [{ kid: key.kid }] })
  issuer.behaviour = () => undefined
  const before = issuer.fetches
  await t.rejects(source.fetchKeySet({ kid: '', alg: undefined, newConnection: false }), { code: 'deadline' })
  t.ok(issuer.fetches - before <= 2, 'an issuer that does not respond has no third chance')
})
