import fastifyJwt from '@fastify/jwt'
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import t, { type Test } from 'tap'
import auth, { type IssuerOptions } from '../../plugins/auth.ts'
import { AUTHENTICATE, TRUSTED_ISSUERS, VERIFICATION } from '../../plugins/names.ts'
import readiness from '../../plugins/readiness.ts'
import type { Refusal } from '../../src/oauth/errors.ts'
import { newKey, TestIssuer, type Json } from '../support/issuer.ts'
import { until } from '../support/service.ts'

const key = newKey()
const otherKey = newKey('ES256', key.kid)

const optionsOf = ({ issuer, jwksUrl, key: { alg } }: TestIssuer, changes: Partial<IssuerOptions> = {}): IssuerOptions => ({
  issuer,
  jwksUrl,
  audience: ['test_api'],
  algorithms: [alg as 'RS256' | 'ES256'],
  tokenKind: 'keycloak',
  clockToleranceSeconds: 5,
  maxTokenLifetimeSeconds: 86_400,
  maxTokenBytes: 15_000,
  keysRefreshSeconds: 60,
  keysMaxStaleHours: 24,
  keysFetchTimeoutSeconds: 5,
  useEnvProxy: false,
  serviceClaim: undefined,
  ...changes
})

/** A guarded route as any host would write it, without the rest of this service. */
async function guard (app: FastifyInstance, issuers: readonly IssuerOptions[], path = '/guarded'): Promise<void> {
  await app.register(auth, { issuers, tokenCacheBytes: 1 << 20 })
  const onRequest = async (request: FastifyRequest): Promise<void> => { await request[AUTHENTICATE]() }
  app.get(path, { onRequest }, ({ principal: { issuer, subject } }) => ({ issuer, subject }))
}

interface Host {
  readonly app: FastifyInstance
  get: (path: string, token: string) => Promise<{ status: number, body: Json }>
}

async function listening (t: Test, build: (app: FastifyInstance) => Promise<unknown>): Promise<Host> {
  const app = fastify()
  app.setErrorHandler(({ statusCode = 500, reason }: { statusCode?: number, reason?: string }, _request, reply) =>
    reply.code(statusCode).send({ reason }))
  await build(app)
  const url = await app.listen({ host: 'localhost', port: 0 })
  t.teardown(() => app.close())
  return {
    app,
    get: async (path, token) => {
      const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } })
      return { status: response.status, body: await response.json() as Json }
    }
  }
}

async function issuerFor (t: Test, signing = key): Promise<TestIssuer> {
  const issuer = await TestIssuer.start(signing)
  t.teardown(() => issuer.stop())
  return issuer
}

const known = async (app: FastifyInstance): Promise<void> => until(() => (app[TRUSTED_ISSUERS].all[0]?.keyring.state().knownKeys ?? 0) > 0)

t.test('alone in a host: the plugin works, and nothing of @fastify/jwt is visible', async (t) => {
  const issuer = await issuerFor(t)
  const host = await listening(t, async (app) => {
    await guard(app, [optionsOf(issuer)])
    app.get('/seen', (request, reply) => ({
      app: app.hasDecorator('jwt'), user: 'user' in request, verify: 'jwtVerify' in request, decode: 'jwtDecode' in request,
      sign: 'jwtSign' in reply
    }))
  })
  await known(host.app)
  t.same(await host.get('/guarded', issuer.token()), { status: 200, body: { issuer: issuer.issuer, subject: 'ac020a67' } })
  t.match(await host.get('/guarded', issuer.token({}, { kid: 'unknown' })), { status: 401, body: { reason: 'key_unknown' } })
  t.same((await host.get('/seen', issuer.token())).body, { app: false, user: false, verify: false, decode: false, sign: false })
})

for (const order of ['before', 'after'] as const) {
  t.test(`a host with its own @fastify/jwt, registered ${order}: each verifies its own tokens`, async (t) => {
    const issuer = await issuerFor(t)
    const host = await listening(t, async (app) => {
      const own = async (): Promise<void> => { await app.register(fastifyJwt, { secret: 'a secret of the host, long enough' }) }
      if (order === 'before') await own()
      await guard(app, [optionsOf(issuer)])
      if (order === 'after') await own()
      app.get('/own', { onRequest: async (request) => { await request.jwtVerify() } }, (request) => request.user)
    })
    await known(host.app)
    const session = host.app.jwt.sign({ name: 'host' })
    t.match(await host.get('/own', session), { status: 200, body: { name: 'host' } })
    t.equal((await host.get('/guarded', issuer.token())).status, 200)
    t.equal((await host.get('/guarded', session)).status, 401)
    t.not((await host.get('/own', issuer.token())).status, 200, 'the host does not know our keys')
  })

  t.test(`two guarded children with issuers of their own under such a host, registered ${order}`, async (t) => {
    const [one, two] = [await issuerFor(t), await issuerFor(t, otherKey)]
    const guards: FastifyInstance[] = []
    const host = await listening(t, async (app) => {
      const own = async (): Promise<void> => { await app.register(fastifyJwt, { secret: 'a secret of the host, long enough' }) }
      if (order === 'before') await own()
      for (const [issuer, path] of [[one, '/one'], [two, '/two']] as const) {
        await app.register(async (child) => {
          guards.push(child)
          await guard(child, [optionsOf(issuer)], path)
        })
      }
      if (order === 'after') await own()
    })
    t.notOk(host.app.hasDecorator('verification'), 'a guard is its context\'s own')
    for (const child of guards) await known(child)
    t.match(await host.get('/one', one.token()), { status: 200, body: { issuer: one.issuer } })
    t.match(await host.get('/two', two.token()), { status: 200, body: { issuer: two.issuer } })
    t.equal((await host.get('/one', two.token())).status, 401)
    t.equal((await host.get('/two', one.token())).status, 401)
  })
}

t.test('several issuers behind one guard: keys, budgets and cache entries never cross', async (t) => {
  const [one, two] = [await issuerFor(t), await issuerFor(t, otherKey)]
  const host = await listening(t, async (app) => guard(app, [optionsOf(one), optionsOf(two, { audience: ['second_api'] })]))
  const { [VERIFICATION]: verification, [TRUSTED_ISSUERS]: { all: [ofOne, ofTwo] } } = host.app
  await until(() => [ofOne, ofTwo].every((issuer) => issuer?.keyring.state().knownKeys === 1))
  const second = { aud: 'second_api' }
  t.match(await host.get('/guarded', one.token()), { status: 200, body: { issuer: one.issuer } })
  t.match(
    await host.get('/guarded', two.token(second)),
    { status: 200, body: { issuer: two.issuer } },
    'same kid, same sub, another issuer'
  )
  t.equal(verification.cache.size, 2)

  const { signatureChecks } = verification.counts
  const attacks: ReadonlyArray<[string, string, string]> = [
    ['key of A, iss of B, alg of A', two.token(second, {}, key), 'algorithm_not_allowed'],
    ['key of B, iss of A, alg of B', one.token({}, {}, otherKey), 'algorithm_not_allowed'],
    ['key of B, iss of B, audience of A', two.token(), 'audience_mismatch'],
    ['key of A, iss of A, audience of B', one.token(second), 'audience_mismatch'],
    ['an issuer nobody configured, with an address in the token', one.token({ iss: `${one.issuer}x` }), 'issuer_mismatch'],
    ['an address of keys in the header', one.token({}, { jku: one.jwksUrl }), 'header_not_allowed']
  ]
  for (const [name, token, reason] of attacks) t.match(await host.get('/guarded', token), { status: 401, body: { reason } }, name)
  t.equal(verification.counts.signatureChecks, signatureChecks)
  t.same([one.fetches, two.fetches], [1, 1])
  for (let n = 0; n < 20; n++) {
    t.match(await host.get('/guarded', one.token({}, { kid: `unknown-${n}` })), { status: 401, body: { reason: 'key_unknown' } })
  }
  t.ok(one.fetches > 1)
  t.equal(two.fetches, 1, 'unknown ids of A cost B nothing')
})

t.test('two issuers with keys of one kind under one kid: only the own key opens', async (t) => {
  const [one, two] = [await issuerFor(t, otherKey), await issuerFor(t, newKey('ES256', key.kid))]
  const host = await listening(t, async (app) => guard(app, [optionsOf(one), optionsOf(two)]))
  await until(() => host.app[TRUSTED_ISSUERS].all.every(({ keyring }) => keyring.state().knownKeys === 1))
  for (const [issuer, foreign] of [[one, two], [two, one]] as const) {
    t.equal((await host.get('/guarded', issuer.token())).status, 200)
    t.match(await host.get('/guarded', issuer.token({}, {}, foreign.key)), { status: 401, body: { reason: 'signature_invalid' } })
  }
})

t.test('readiness with several issuers: 503 only while none has keys; a missing one is degraded, and its tokens get 503', async (t) => {
  const [one, two] = [await issuerFor(t), await issuerFor(t, otherKey)]
  for (const issuer of [one, two]) issuer.behaviour = (_request, response) => response.writeHead(500).end()
  const lines: string[] = []
  const app = fastify({ logger: { level: 'info', stream: { write: (line: string) => { lines.push(line) } } } })
  app.setErrorHandler((error: Refusal, _request, reply) => reply.code(error.statusCode).send({ reason: error.reason }))
  await app.register(readiness)
  await guard(app, [optionsOf(one), optionsOf(two, { audience: 'any' })])
  t.teardown(() => app.close())
  const url = await app.listen({ host: 'localhost', port: 0 })
  const statusOf = async (issuer: TestIssuer): Promise<number> =>
    (await fetch(`${url}/guarded`, { headers: { authorization: `Bearer ${issuer.token()}` } })).status
  const conditions = (): Json => Object.fromEntries(app.readiness.conditions().map(([name, { severity }]) => [name, severity]))
  await until(() => lines.filter((line) => /cannot be fetched/.test(line)).length === 2)
  t.ok([one, two].every(({ issuer }) => lines.some((line) => line.includes(`"issuer":"${issuer}"`))), 'a line for each issuer')
  t.same(conditions(), { keys_missing_1: 'unavailable', keys_missing_2: 'unavailable', any_audience_2: 'notice' })
  t.same([await statusOf(one), await statusOf(two)], [503, 503])

  one.behaviour = undefined
  await until(() => app[TRUSTED_ISSUERS].of(one.issuer)?.keyring.state().knownKeys === 1, 10_000)
  t.same(conditions(), { keys_missing_2: 'degraded', any_audience_2: 'notice' })
  t.same([await statusOf(one), await statusOf(two)], [200, 503])
  t.match(app.readiness.conditions().find(([name]) => name === 'keys_missing_2')?.[1].text, two.issuer)
})
