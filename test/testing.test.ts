import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { scopegate } from '../plugins/scopegate.ts'
import { createTestIssuer, startDevelopmentIssuer, type TestIssuer } from '../src/testing.ts'

async function host (t: Test, issuer: TestIssuer, algorithm: 'RS256' | 'PS256' | 'ES256' | 'EdDSA' = 'ES256'): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scopegate, { issuer: issuer.issuer, audience: 'api', algorithms: [algorithm], keys: issuer.keys })
  app.get('/', { config: { auth: { scopes: ['one'] } } }, ({ principal: { clientId, kind, subject } }) => ({ clientId, kind, subject }))
  return app
}

const call = async (app: FastifyInstance, token: string): Promise<{ status: number, body: unknown }> => {
  const response = await app.inject({ url: '/', headers: { authorization: `Bearer ${token}` } })
  return { status: response.statusCode, body: response.json() }
}

for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA'] as const) {
  t.test(`createTestIssuer signs with ${alg} what the plugin accepts`, async (t) => {
    const issuer = createTestIssuer({ alg })
    const app = await host(t, issuer, alg)
    t.match(await call(app, issuer.sign({ aud: 'api', scope: 'one' })), { status: 200, body: { clientId: 'test-client', kind: 'service' } })
    t.match(await call(app, issuer.sign({ aud: 'api', scope: 'one', azp: 'job', sub: 'me', jti: undefined })), {
      status: 200, body: { clientId: 'job', kind: 'unknown', subject: 'me' }
    })
  })
}

t.test('the first request of a host with given keys is judged with them, whatever its token is', async (t) => {
  const issuer = createTestIssuer({ alg: 'ES256' })
  const expired = Math.floor(Date.now() / 1000) - 100
  for (const keys of [issuer.keys, issuer.keySet, async () => await Promise.resolve(issuer.keySet)]) {
    for (const [name, claims] of Object.entries({
      'another audience': { aud: 'other' }, 'another issuer': { iss: 'https://other.example.com' }, expired: { exp: expired },
      'another kind of token': { typ: 'ID' }
    })) {
      const app = Fastify()
      t.teardown(() => app.close())
      await app.register(scopegate, { issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys })
      app.get('/', { config: { auth: { scopes: ['one'] } } }, () => '')
      t.equal((await call(app, issuer.sign({ aud: 'api', scope: 'one', ...claims }))).status, 401, name)
    }
  }
})

t.test('a function in place of keys that takes its time does not hold the start', async (t) => {
  // Nothing else keeps this process alive.
  const alive = setInterval(() => undefined, 1_000)
  t.teardown(() => { clearInterval(alive) })
  const issuer = createTestIssuer({ alg: 'ES256' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scopegate, {
    issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keysFetchTimeoutSeconds: 1, keys: () => new Promise(() => undefined)
  })
  app.get('/', { config: { auth: { scopes: ['one'] } } }, () => '')
  t.equal((await call(app, issuer.sign({ aud: 'api', scope: 'one' }))).status, 503)
})

t.test('createTestIssuer signs what no issuer would sign', async (t) => {
  const issuer = createTestIssuer({ alg: 'ES256', issuer: 'https://another.test' })
  const app = await host(t, issuer)
  const good = { aud: 'api', scope: 'one' }
  t.equal((await call(app, issuer.sign(good))).status, 200)
  for (const claims of [{ aud: 'other' }, { exp: undefined }, { exp: 1 }, { iss: 'https://issuer.test/realms/test' }, { typ: 'ID' }]) {
    t.equal((await call(app, issuer.sign({ ...good, ...claims }))).status, 401, JSON.stringify(claims))
  }
  for (const header of [{ alg: 'none' }, { kid: 'other' }, { kid: undefined }, { typ: 'dpop+jwt' }]) {
    t.equal((await call(app, issuer.sign(good, header))).status, 401, JSON.stringify(header))
  }
  t.equal((await call(app, issuer.sign({ aud: 'api' }))).status, 403)
  t.equal((await call(app, createTestIssuer({ alg: 'ES256', issuer: issuer.issuer }).sign(good))).status, 401, 'the key of another issuer')
  const past = createTestIssuer({ alg: 'ES256', nowMs: () => 1_000_000 })
  t.match(
    JSON.parse(Buffer.from(past.sign().split('.')[1] ?? '', 'base64url').toString()),
    { iat: 1000, exp: 1300, iss: 'https://issuer.test/realms/test' }
  )
})

t.test('createTestIssuer rotates its key: the old one remains valid, or is withdrawn', async (t) => {
  const issuer = createTestIssuer({ alg: 'ES256' })
  const good = { aud: 'api', scope: 'one' }
  const first = issuer.sign(good)
  issuer.rotate()
  const second = issuer.sign(good)
  t.equal(issuer.keySet.keys.length, 2)
  const both = await host(t, issuer)
  t.same([(await call(both, first)).status, (await call(both, second)).status], [200, 200])
  issuer.rotate({ withdraw: true })
  t.equal(issuer.keySet.keys.length, 1)
  const newest = await host(t, issuer)
  t.same([(await call(newest, second)).status, (await call(newest, issuer.sign(good))).status], [401, 200])
})

t.test('createTestIssuer fails on request: 503 while no key is known, and 200 after a new start', async (t) => {
  const issuer = createTestIssuer({ alg: 'ES256' })
  const good = issuer.sign({ aud: 'api', scope: 'one' })
  issuer.fail()
  const app = await host(t, issuer)
  const refused = await app.inject({ url: '/', headers: { authorization: `Bearer ${good}` } })
  t.match({ status: refused.statusCode, retryAfter: refused.headers['retry-after'] }, { status: 503, retryAfter: /^\d+$/ })
  issuer.fail(false)
  t.equal((await call(await host(t, issuer), good)).status, 200)
})

t.test('startDevelopmentIssuer is an issuer over HTTP, with the realm of the tutorial', async (t) => {
  const issuer = await startDevelopmentIssuer({ port: 0 })
  t.teardown(() => issuer.close())
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scopegate, { issuer: issuer.issuer, audience: 'test_api' })
  app.get('/', { config: { auth: { scopes: ['test_api_access'] } } }, ({ principal }) => ({ clientId: principal.clientId }))
  const { clients } =
    JSON.parse(readFileSync('keycloak/myorg-realm.json', 'utf8')) as { clients: Array<{ clientId: string, secret?: string }> }
  const secret = clients.find(({ clientId }) => clientId === 'test_api_client')?.secret ?? ''
  const body = new URLSearchParams({
    grant_type: 'client_credentials', scope: 'test_api_access', client_id: 'test_api_client', client_secret: secret
  })
  const response = await fetch(`${issuer.issuer}/protocol/openid-connect/token`, { method: 'POST', body })
  const { access_token: token } = await response.json() as { access_token: string }
  t.match(await call(app, token), { status: 200, body: { clientId: 'test_api_client' } })
})

t.test('a server whose heads are too short for a token of the greatest length says so at start', async (t) => {
  const warningsWith = async (maxHeaderSize: number | undefined, maxTokenBytes?: number): Promise<string[]> => {
    const warnings: string[] = []
    const app = Fastify({ ...maxHeaderSize !== undefined && { http: { maxHeaderSize } } })
    const issuer = createTestIssuer({ alg: 'ES256' })
    await app.register(scopegate, {
      issuer: issuer.issuer, audience: 'api', keys: issuer.keys, ...maxTokenBytes !== undefined && { maxTokenBytes },
      warn: (sentence) => warnings.push(sentence)
    })
    await app.ready()
    await app.close()
    return warnings
  }
  t.same(await warningsWith(undefined), [], 'Node\'s own bound is enough for the default')
  t.same(await warningsWith(16_024), [])
  t.match(
    await warningsWith(16_023),
    [/^maxHeaderSize of the server is 16023 bytes: tokens longer than 14999 bytes .* maxHeaderSize: 16024 /]
  )
  t.match(await warningsWith(undefined, 20_000), [/^maxHeaderSize of the server is 16384 bytes: .* maxHeaderSize: 21024 /])
})

t.test('the blocks of the guide run as they are', (t) => {
  const guide = readFileSync('docs/how-to/in-your-own-service.md', 'utf8')
  const [fiveLines = '', , , test = ''] = [...guide.matchAll(/```ts\n([^]*?)```/g)].map(([, block = '']) => block)
  const lines = (block: string, keep: (line: string) => boolean): string => block.split('\n').filter(keep).join('\n')
  const isRegistration = (line: string): boolean => line.startsWith('await app.register(')
  const [beforeCall = '', afterCall = ''] = test.split('\n\n').slice(-2)
  const program = [
    lines(fiveLines, (line) => !isRegistration(line) && !line.startsWith('app.get(')),
    lines(test, (line) => line.startsWith('import ')), beforeCall, lines(fiveLines, (line) => line.startsWith('app.get(')), afterCall,
    'console.log(response.statusCode, response.body)'
  ].join('\n')
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-'], { input: program, encoding: 'utf8', env: {} })
  t.equal(stdout.trim(), '200 {"for":"reporter"}', stderr)
  t.end()
})
