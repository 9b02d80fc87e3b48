import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import accessPolicy from '../../plugins/access-policy.ts'
import { AUTHENTICATE } from '../../plugins/names.ts'
import { MissingCredentials } from '../../src/oauth/errors.ts'
import { newKey } from '../support/issuer.ts'
import { startService } from '../support/service.ts'

const key = newKey()
const config = loadConfig({ ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'test_api' })

async function faultsOf (prepare: (app: FastifyInstance) => unknown): Promise<string> {
  const app = await buildApp(config)
  try {
    await prepare(app)
    await app.ready()
    return ''
  } catch (error) {
    return (error as Error).message
  } finally {
    await app.close()
  }
}

const handler = (): string => 'ok'

t.test('a route that declares no access stops the start, and is named', async (t) => {
  t.match(await faultsOf((app) => app.get('/forgotten', handler)), /GET \/forgotten: declares no access/)
  t.match(await faultsOf((app) => app.register((child, _options, done) => {
    child.post('/deep', handler)
    done()
  }, { prefix: '/child' })), /POST \/child\/deep: declares no access/)
  t.match(await faultsOf((app) => app.get('/files/*', handler)), /GET \/files\/\*/)
  t.match(await faultsOf((app) => app.route({ method: ['HEAD', 'OPTIONS'], url: '/own', handler })), /HEAD \/own[^]*OPTIONS \/own/)
})

t.test('what a declaration may not be: all errors of all routes at once', async (t) => {
  const wrong: ReadonlyArray<readonly [unknown, RegExp]> = [
    [{}, /\{\}/], [null, /null/], ['Public', /"Public"/], [[], /\[\]/], [true, /true/],
    [{ scope: ['test_api_access'] }, /auth\.scope is not known/],
    [{ scopes: 'test_api_access' }, /scopes is not an array/], [{ scopes: [''] }, /scopes is not an array/],
    [{ scopes: ['test_api_access '] }, /scopes is not an array/], [{ scopes: [7] }, /scopes is not an array/],
    [{ scopes: ['tset_api_access'] }, /"tset_api_access" is not in the catalogue/],
    [{ scopes: ['test_api_access unknown'] }, /"unknown" is not in/], [{ scopes: ['toString'] }, /"toString" is not/],
    [{ anyScope: [] }, /anyScope is not an array of one or more/], [{ anyScope: ['test_api_access test_api_access'] }, /one name in each/],
    [{ anyScope: 'x' }, /anyScope/],
    [{ realmRoles: [] }, /realmRoles/], [{ realmRoles: 'a' }, /realmRoles/], [{ realmRoles: [''] }, /realmRoles/],
    [{ clientRoles: {} }, /clientRoles/], [{ clientRoles: { a: [] } }, /clientRoles/], [{ clientRoles: { '': ['x'] } }, /clientRoles/],
    [{ clientRoles: [] }, /clientRoles/],
    [{ clientId: false }, /clientId is not true/], [{ clientId: 'x' }, /clientId is not true/],
    [{ kind: 'machine' }, /kind is neither/], [{ kind: undefined }, /kind is neither/],
    [{ optional: false }, /optional stands alone/], [{ optional: true, scopes: [] }, /optional stands alone/]
  ]
  const message =
    await faultsOf((app) => wrong.forEach(([auth], n) => app.get(`/wrong-${n}`, { config: { auth: auth as 'public' } }, handler)))
  wrong.forEach(([auth, fault], n) =>
    t.match(message.split('\n').find((line) => line.includes(`GET /wrong-${n}:`)), fault, JSON.stringify(auth)))
})

t.test('a route registered before the policy is named too, and stays closed', async (t) => {
  const app = Fastify()
  app.decorateRequest(AUTHENTICATE, () => { throw new Error('never') })
  app.get('/early', { config: { auth: 'public' } }, handler)
  app.get('/v', { constraints: { version: '1.0.0' } }, handler)
  const stub = Object.assign((_app: FastifyInstance, _options: object, done: () => void) => done(), { [Symbol.for('skip-override')]: true })
  await app.register(Object.assign(stub, { [Symbol.for('plugin-meta')]: { name: 'auth' }, [Symbol.for('fastify.display-name')]: 'auth' }))
  await app.register(Object.assign((_app: FastifyInstance, _options: object, done: () => void) => done(), {
    [Symbol.for('skip-override')]: true, [Symbol.for('plugin-meta')]: { name: 'refusals' }, [Symbol.for('fastify.display-name')]: 'refusals'
  }))
  await app.register(accessPolicy, { scopes: {} })
  const message = await app.ready().then(() => '', (error: Error) => error.message)
  t.match(message, /GET \/early: registered before the access policy/)
  t.match(message, /GET \/v: registered before/)
  t.match(message, /HEAD \/early/)
})

t.test('every form of a declaration, over the wire', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      const open = (name: string, auth: NonNullable<Parameters<typeof app.get>[1]['config']>['auth']): unknown =>
        app.get(
          `/t/${name}`,
          { config: { auth } as { auth: 'public' } },
          (request) => ({ client: request.optionalPrincipal?.clientId ?? 'nobody' })
        )
      open('any', { scopes: [] })
      open('both', { scopes: ['test_api_access', 'test_api_access'] })
      open('one', { anyScope: ['test_api_access'] })
      open('realm', { realmRoles: ['auditor'] })
      open('client', { clientRoles: { test_api: ['writer'] } })
      open('service', { kind: 'service' })
      open('user', { kind: 'user' })
      open('named', { clientId: true })
      open('all', { scopes: ['test_api_access'], realmRoles: ['auditor'], clientRoles: { test_api: ['writer'] }, kind: 'service' })
      open('optional', { optional: true })
      open('public', 'public')
    }
  })
  const { issuer, get } = service
  const plain = issuer.token()
  const scoped = issuer.token({ scope: 'x test_api_access' })
  const roles = issuer.token({
    realm_access: { roles: ['auditor'] }, resource_access: { test_api: { roles: ['writer'] } }, scope: 'test_api_access'
  })
  const user = issuer.token({ jti: 'onrtro:1', sid: 's', client_id: undefined })
  const unmarked = issuer.token({ jti: '5db459ca', preferred_username: 'service-account-test_client' })
  const refreshed = issuer.token({ jti: 'onrtrt:1' })
  const entries: ReadonlyArray<readonly [string, string | undefined, number]> = [
    ['any', plain, 200], ['any', undefined, 401],
    ['both', plain, 403], ['both', scoped, 200], ['both', issuer.token({ scope: 'TEST_API_ACCESS test_api_access2' }), 403],
    ['one', plain, 403], ['one', scoped, 200],
    ['realm', plain, 403], ['realm', roles, 200],
    ['client', plain, 403], ['client', roles, 200], ['client', issuer.token({ resource_access: { other: { roles: ['writer'] } } }), 403],
    ['client', issuer.token({ realm_access: { roles: ['writer'] } }), 403],
    ['service', plain, 200], ['service', user, 403], ['user', user, 200], ['user', plain, 403],
    ['service', unmarked, 403], ['service', refreshed, 403], ['user', unmarked, 200], ['user', refreshed, 200], ['any', unmarked, 200],
    ['named', plain, 200], ['named', user, 200], ['named', issuer.token({ client_id: 'other' }), 403],
    ['named', issuer.token({ azp: undefined, client_id: undefined }), 403], ['any', issuer.token({ client_id: 'other' }), 200],
    ['all', roles, 200], ['all', scoped, 403],
    ['optional', undefined, 200], ['optional', plain, 200], ['optional', 'x.y.z', 401], ['public', 'x.y.z', 200]
  ]
  for (const [path, token, status] of entries) t.equal((await get(`/t/${path}`, token)).status, status, `${path} ${status}`)
  t.same((await get('/t/optional')).body, { client: 'nobody' })
  t.same((await get('/t/optional', plain)).body, { client: 'test_client' })
  t.same((await get('/t/public', plain)).body, { client: 'nobody' }, 'a public route looks at no token')
  t.equal((await get('/t/optional', undefined, { authorization: 'Basic x' })).status, 401)
  const refusal = await get('/t/all', issuer.token({ scope: 'test_api_access' }))
  t.match(refusal.body, { status: 403, error: 'insufficient_scope', error_description: 'The access token lacks the realm role auditor' })
  t.match((await get('/t/one', plain)).challenge, /scope="test_api_access"/)
  t.match((await get('/t/user', plain)).body.error_description, /Only a user's access token/)
  const reasonOf = async (path: string, token: string): Promise<unknown> => {
    await get(path, token)
    return service.lines.findLast(({ route }) => route === path)
  }
  t.match(await reasonOf('/t/service', unmarked), { reason: 'kind_unknown', hint: /SERVICE_CLAIM/ })
  t.match(await reasonOf('/t/service', user), { reason: 'kind_not_allowed' })
  t.match(await reasonOf('/t/named', issuer.token({ client_id: 'other' })), { reason: 'client_unknown' })
})

t.test('the matched route decides, never the text of the path', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      app.register((child, _options, done) => {
        child.get('/open', { config: { auth: 'public' } }, handler)
        child.get('/:id', { config: { auth: { scopes: [] } } }, handler)
        child.get('/files/*', { config: { auth: { scopes: [] } } }, handler)
        child.get('/versioned', { config: { auth: 'public' }, constraints: { version: '1.0.0' } }, handler)
        child.get('/versioned', { config: { auth: { scopes: [] } }, constraints: { version: '2.0.0' } }, handler)
        child.get('/hosted', { config: { auth: 'public' }, constraints: { host: 'open.example' } }, handler)
        child.get('/hosted', { config: { auth: { scopes: [] } } }, handler)
        done()
      }, { prefix: '/items' })
    }
  })
  const paths: ReadonlyArray<readonly [string, Record<string, string>, number]> = [
    ['/items/open', {}, 200], ['/items/%6fpen', {}, 200], ['/items/OPEN', {}, 401], ['/items/open%2f', {}, 401], ['/items/7', {}, 401],
    ['/items/open;x', {}, 401],
    ['/items/files/open', {}, 401], ['/items/files/../open', {}, 200], ['/items/files/%2e%2e/open', {}, 200],
    ['/items/files/..%2fopen', {}, 401], ['/items/files//items/open', {}, 401],
    ['/items/versioned', { 'accept-version': '1.x' }, 200], ['/items/versioned', { 'accept-version': '2.x' }, 401],
    ['/items/hosted', {}, 401]
  ]
  for (const [path, headers, status] of paths) {
    t.equal((await service.get(path, undefined, headers)).status, status, `${path} ${JSON.stringify(headers)}`)
  }
})

t.test('a check inside a handler throws the same 403', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => app.get('/documents/:id', { config: { auth: { scopes: [] } } }, (request) => {
      if ((request.params as { id: string }).id === 'secret') request.requireScope('test_api_access')
      return { may: request.principal.has('test_api_access') }
    })
  })
  const plain = service.issuer.token()
  t.same((await service.get('/documents/open', plain)).body, { may: false })
  const refusal = await service.get('/documents/secret', plain)
  t.match(refusal, {
    status: 403, body: { error: 'insufficient_scope', error_description: 'The access token lacks the scope test_api_access' }
  })
  t.match(refusal.challenge, /scope="test_api_access"/)
  t.same((await service.get('/documents/secret', service.issuer.token({ scope: 'test_api_access' }))).body, { may: true })
})

t.test('request.principal where nobody is known, and an unknown scope, are mistakes of the handler and not of the caller', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      app.get('/open', { config: { auth: 'public' } }, (request) => request.principal.clientId)
      app.get('/optional', { config: { auth: { optional: true } } }, (request) => request.principal.clientId)
      app.get(
        '/scope/:name',
        { config: { auth: { scopes: [] } } },
        (request) => request.requireScope((request.params as { name: string }).name)
      )
      app.get('/none', { config: { auth: { scopes: [] } } }, (request) => request.requireScope())
      app.get('/open-scope', { config: { auth: 'public' } }, (request) => request.requireScope('test_api_access'))
    }
  })
  const token = service.issuer.token()
  const mistakes: ReadonlyArray<readonly [string, RegExp]> = [
    ['/open', /request\.principal of GET \/open: the route does not require a token/],
    ['/open-scope', /request\.principal of GET \/open-scope/],
    [
      '/scope/tset_api_access',
      /requireScope\("tset_api_access"\): the scope "tset_api_access" is not in the catalogue .* did you mean 'test_api_access'/
    ],
    ['/scope/%22', /is not an array of scope names/], ['/none', /without a scope/]
  ]
  for (const [path, message] of mistakes) {
    t.match(await service.get(path, token), { status: 500, challenge: '', text: /Internal Server Error/ }, path)
    t.match(service.lines.findLast(({ err }) => err !== undefined), { err: { type: 'HandlerMistake', message } }, path)
  }
  t.match(
    await service.get('/optional'),
    { status: 401, challenge: 'Bearer realm="scopegate"' },
    'an optional route whose handler needs the caller'
  )
})

t.test('a refusal where no route matched has a challenge without scopes', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => app.addHook('onRequest', (request, _reply, done) => done(request.is404 ? new MissingCredentials() : undefined))
  })
  t.match(await service.get('/nowhere'), { status: 401, challenge: 'Bearer realm="scopegate"' })
})

t.test('app.access lists every route with what it demands', async (t) => {
  const { app } = await startService(t, { key })
  const matrix = app.access.routes()
    .filter(({ access }) => access.mode === 'protected')
    .map(({ method, url, access }) => `${method} ${url} ${access.scopes.join()}`)
  for (const line of ['GET /api/private ', 'HEAD /api/private-scoped test_api_access', 'POST /api/messages test_api_access']) {
    t.ok(matrix.includes(line), line)
  }
})
