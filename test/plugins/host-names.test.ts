import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import metrics from '../../plugins/metrics.ts'
import { OptionsError, scopegate } from '../../plugins/scopegate.ts'
import { createTestIssuer } from '../../src/testing.ts'

const issuer = createTestIssuer({ alg: 'ES256' })
const options = { issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keys } as const
const authorization = `Bearer ${issuer.sign({ aud: 'api', scope: 'one' })}`

function hostOf (t: Test): FastifyInstance {
  const app = Fastify()
  t.teardown(() => app.close())
  return app
}

/** Whatever a parameter of a plugin, a hook or an old version of ours was called. */
const FREE = [
  'readiness', 'verification', 'keyring', 'trustedIssuers', 'responseTo', 'tracing', 'listeners', 'authenticate', 'refused', 'issuer',
  'auth', 'beginDrain', 'cache', 'claims', 'user', 'jwt', 'token', 'scopes'
]

for (const name of FREE) {
  t.test(`a host may have a decorator of its own by the name ${name}`, async (t) => {
    const app = hostOf(t)
    app.decorate(name, { own: true })
    app.decorateRequest(name, null)
    app.decorateReply(name, null)
    await app.register(scopegate, options)
    await app.register(metrics)
    app.get('/one', { config: { auth: { scopes: ['one'] } } }, ({ principal }) => principal.scopes)
    t.same((await app.inject({ url: '/one', headers: { authorization } })).json(), ['one'])
    t.equal((await app.inject('/one')).statusCode, 401)
    t.match(await app.metrics.text(), /scopegate_refusals_total\{reason="credentials_missing"\} 1/)
  })
}

t.test('a host that has one of the documented names gets a sentence that says what to do, and can catch it', async (t) => {
  for (const [name, decorate] of [
    ['app.access', (app: FastifyInstance) => app.decorate('access' as 'own', {})],
    ...['principal', 'optionalPrincipal', 'requireScope', 'access'].map((one) =>
      [`request.${one}`, (app: FastifyInstance) => app.decorateRequest(one as 'own', null)] as const)
  ] as const) {
    const app = hostOf(t)
    decorate(app)
    const error: unknown = await app.register(scopegate, options).then(() => undefined, (reason: unknown) => reason)
    t.ok(error instanceof OptionsError, name)
    t.match((error as Error).message, `${name} is a decorator of this application already, and scopegate adds one of this name: rename`)
  }
  const app = hostOf(t)
  app.decorate('metrics' as 'own', {})
  await app.register(scopegate, options)
  await t.rejects(async () => { await app.register(metrics) }, /^app\.metrics is a decorator of this application already.* rename yours$/)
})

t.test('a second guard where there is one is refused with a sentence that can be caught', async (t) => {
  for (const nested of [true, false]) {
    const app = hostOf(t)
    await app.register(scopegate, options)
    const registered = nested
      ? app.register(async (child) => { await child.register(scopegate, options) })
      : app.register(scopegate, options)
    const error: unknown = await registered.then(() => undefined, (reason: unknown) => reason)
    t.match(error, { name: 'OptionsError', message: /this context has an access policy already: register scopegate once/ })
  }
})
