import cors from '@fastify/cors'
import Fastify, { type FastifyInstance } from 'fastify'
import t from 'tap'
import accessPolicy, { type AccessPolicyOptions } from '../../plugins/access-policy.ts'
import type { DeclaredAccess } from '../../src/oauth/access-policy.ts'
import { authentication, guarded } from '../support/guarded.ts'

const ANY = { auth: { scopes: [] } } as const
const handler = (): string => 'ok'

async function startError (app: FastifyInstance): Promise<string> {
  return app.ready().then(() => '', (error: Error) => error.message)
}

async function statusOf (app: FastifyInstance, path: string, headers: Record<string, string> = {}): Promise<number> {
  const url = app.server.listening ? app.listeningOrigin : await app.listen({ port: 0, host: '127.0.0.1' })
  return (await fetch(`${url}${path}`, { headers })).status
}

t.test('the guard holds its context and what is below, and nothing beside it', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.get('/metrics', handler)
  app.get('/api/beside', handler)
  await app.register(authentication)
  const children: FastifyInstance[] = []
  for (const [prefix, scope] of [['/api', 'one'], ['/other', 'two']] as const) {
    await app.register(async (child) => {
      children.push(child)
      await child.register(accessPolicy, { scopes: { [scope]: 'of this guard alone' } })
      child.get('/', { config: { auth: { scopes: [scope] } } }, handler)
      await child.register(async (deep) => { deep.get('/deep', { config: ANY }, handler) })
    }, { prefix })
  }
  const authorization = 'Bearer good'
  t.equal(await statusOf(app, '/metrics'), 200)
  t.equal(await statusOf(app, '/api/beside'), 200)
  for (const path of ['/api', '/api/', '/api/deep', '/other', '/other/deep']) t.equal(await statusOf(app, path), 401, path)
  for (const path of ['/api', '/api/', '/api/deep', '/other/deep']) t.equal(await statusOf(app, path, { authorization }), 200, path)
  t.equal(await statusOf(app, '/other', { authorization }), 403)
  t.same(
    children.map((child) => child.access.routes().filter(({ method }) => method === 'GET').map(({ url }) => url)),
    [['/api', '/api/', '/api/deep'], ['/other', '/other/', '/other/deep']]
  )
})

t.test('routes that were registered before the guard', async (t) => {
  const early = async (options: AccessPolicyOptions): Promise<{ app: FastifyInstance, warnings: unknown[] }> => {
    const warnings: unknown[] = []
    const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => warnings.push(JSON.parse(line)) } } })
    t.teardown(() => app.close())
    await app.register(authentication)
    await app.register(async (child) => {
      child.get('/early', handler)
      child.get('/early-declared', { config: ANY }, handler)
      await child.register(async (deep) => { deep.get('/early-deep', handler) })
      await child.register(accessPolicy, options)
    }, { prefix: '/in' })
    return { app, warnings }
  }
  const message = await startError((await early({})).app)
  for (const path of ['/in/early', '/in/early-declared', '/in/early-deep']) t.match(message, new RegExp(`GET ${path}: registered before`))
  const { app, warnings } = await early({ unlisted: 'public' })
  t.equal(await statusOf(app, '/in/early'), 200)
  t.equal(await statusOf(app, '/in/early-deep'), 200)
  t.equal(await statusOf(app, '/in/early-declared'), 401, 'what it declares is enforced all the same')
  t.equal(await statusOf(app, '/in/early-declared', { authorization: 'Bearer good' }), 200)
  t.match(warnings, [{ routes: [
    'GET /in/early', 'GET /in/early-declared', 'GET /in/early-deep', 'HEAD /in/early', 'HEAD /in/early-declared', 'HEAD /in/early-deep'
  ] }])
})

t.test('a route registered before the guard is told from later ones of the same place, however they name its parameters', async (t) => {
  const cases: ReadonlyArray<readonly [early: string, later: string]> = [
    ['/items/:id', '/items/:itemId/parts'],
    ['/items/:id', '/items/:itemId(^\\d+$)'],
    ['/items/:id(^\\d+$)/x', '/items/:itemId(^\\d+$)/y'],
    ['/items/:from-:to', '/items/:a-:b/parts'],
    ['/items/:from-:to', '/items/:id'],
    ['/items/:id/parts', '/items/:itemId'],
    ['/items/:id?', '/items/:itemId/parts'],
    ['/items/*', '/items/:itemId']
  ]
  for (const [early, later] of cases) {
    for (const unlisted of ['refuse', 'public'] as const) {
      const warnings: { routes?: string[] }[] = []
      const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => warnings.push(JSON.parse(line) as object) } } })
      t.teardown(() => app.close())
      await app.register(authentication)
      app.get(early, { exposeHeadRoute: false }, handler)
      await app.register(accessPolicy, { unlisted })
      app.get(later, { exposeHeadRoute: false, config: ANY }, handler)
      const message = await startError(app)
      const told = unlisted === 'refuse'
        ? message.split('\n').filter((line) => line.includes('registered before'))
        : warnings.flatMap(({ routes }) => routes)
      t.equal(told.length, early.endsWith('?') ? 2 : 1, `${early}, then ${later}, ${unlisted}: ${told.join('; ')}`)
    }
  }
})

t.test('a route outside of the guard\'s context, of the same path with another constraint, is no early one', async (t) => {
  for (const constraints of [{ host: 'b.test' }, { host: /^b/ }, { version: '2.0.0' }]) {
    const warnings: unknown[] = []
    const app = Fastify({ logger: { level: 'warn', stream: { write: (line: string) => warnings.push(line) } } })
    t.teardown(() => app.close())
    await app.register(authentication)
    app.get('/in/x', { constraints: { host: 'a.test' } }, handler)
    await app.register(async (child) => {
      await child.register(accessPolicy, {})
      child.get('/x', { constraints, config: ANY }, handler)
    }, { prefix: '/in' })
    t.equal(await startError(app), '')
    t.same(warnings, [])
  }
})

t.test('an onRoute hook of the host that sets an error handler of its own makes no route an early one', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(authentication)
  await app.register(accessPolicy, {})
  app.addHook('onRoute', (route) => { route.errorHandler = (error) => { throw error } })
  app.get('/items/:id', { config: ANY }, handler)
  t.equal(await startError(app), '')
})

t.test('unlisted: public opens what declares nothing, never what is declared wrongly or under another name', async (t) => {
  const app = await guarded(t, { unlisted: 'public' })
  app.get('/open', handler)
  app.get('/closed', { config: ANY }, handler)
  app.options('/open', handler)
  t.equal(await statusOf(app, '/open'), 200)
  t.equal(await statusOf(app, '/closed'), 401)
  t.match(app.access.routes().find(({ url }) => url === '/open'), { access: { mode: 'public' }, by: 'not declared' })
  for (const [options, hint] of [
    [{ config: { Auth: { scopes: [] } } }, /config\.Auth is not config\.auth: did you mean 'auth'/],
    [{ config: { auths: 'public' } }, /did you mean 'auth'/],
    [{ auth: { scopes: [] } }, /auth stands beside config/],
    [{ config: { auth: { scope: ['one'] } } }, /config\.auth\.scope is not known: did you mean 'scopes'/]
  ] as const) {
    for (const rules of [{ unlisted: 'public' }, { trusted: [{ path: '/wrong/*' }] }] as const) {
      const wrong = await guarded(t, rules)
      wrong.get('/wrong', handler)
      wrong.route({ method: 'GET', url: '/wrong/it', handler, ...options as object })
      t.match(await startError(wrong), hint, JSON.stringify(rules))
    }
  }
})

t.test('@fastify/cors before and after the guard: preflights pass, nothing else', async (t) => {
  for (const order of ['before', 'after']) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(authentication)
    if (order === 'before') await app.register(cors, { origin: 'https://app.example', preflightContinue: true, strictPreflight: false })
    await app.register(accessPolicy, {})
    if (order === 'after') await app.register(cors, { origin: 'https://app.example', preflightContinue: true, strictPreflight: false })
    app.get('/x', { config: ANY }, handler)
    const url = await app.listen({ port: 0, host: '127.0.0.1' })
    const options = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${url}/x`, { method: 'OPTIONS', headers })).status
    t.equal(await options({ origin: 'https://app.example', 'access-control-request-method': 'GET' }), 200, order)
    t.equal(await options({ origin: 'https://app.example' }), 404, order)
    t.equal(await statusOf(app, '/x'), 401)
    t.match(app.access.routes().find(({ method }) => method === 'OPTIONS'), { url: '*', access: { mode: 'preflight' } })
  }
})

t.test('a later onRoute hook that changes what a route requires takes effect', async (t) => {
  const app = await guarded(t, {})
  app.addHook('onRoute', (route) => {
    if (route.url.startsWith('/spread')) route.config = { ...route.config, auth: { scopes: ['two'] } }
    if (route.url.startsWith('/written') && route.config !== undefined) route.config.auth = { scopes: ['two'] }
    if (route.url.startsWith('/replaced')) route.config = { auth: { scopes: ['two'] } }
    if (route.url.startsWith('/opened')) route.config = { auth: 'public' }
  })
  for (const path of ['/spread', '/written', '/replaced', '/opened', '/same']) {
    app.get(path, { config: { auth: { scopes: ['one'] } } }, handler)
  }
  const authorization = 'Bearer good'
  for (const path of ['/spread', '/written', '/replaced']) t.equal(await statusOf(app, path, { authorization }), 403, path)
  t.equal(await statusOf(app, '/same', { authorization }), 200)
  t.equal(await statusOf(app, '/opened', { authorization }), 500, 'a configuration that is taken away opens nothing')
})

t.test('a declaration is read once and copied; rows are frozen', async (t) => {
  const app = await guarded(t, {})
  const roles = ['auditor']
  const clientRoles = { api: ['writer'] }
  let reads = 0
  const shifting = new Proxy({ scopes: ['two'] }, { getOwnPropertyDescriptor: (target, name) => {
    const value = reads++ === 0 ? target.scopes : []
    return name === 'scopes' ? { value, enumerable: true, configurable: true, writable: true } : undefined
  } })
  app.get('/roles', { config: { auth: { realmRoles: roles, clientRoles } } }, handler)
  app.get('/shifting', { exposeHeadRoute: false, config: { auth: shifting } }, handler)
  await app.ready()
  roles.length = 0
  clientRoles.api.length = 0
  shifting.scopes.length = 0
  const authorization = 'Bearer good'
  t.equal(await statusOf(app, '/roles', { authorization }), 403)
  t.equal(await statusOf(app, '/shifting', { authorization }), 403)
  t.equal(reads, 1)
  const rows = app.access.routes()
  const access = rows[0]?.access
  const values = [rows, rows[0], access, access?.scopes, access?.realmRoles, access?.clientRoles, access?.clientRoles.api]
  for (const live of values) t.ok(Object.isFrozen(live))
})

t.test('declarations that no array of names is', async (t) => {
  const accessor = { get scopes () { return ['one'] } }
  const wrong: ReadonlyArray<readonly [unknown, RegExp]> = [

    [{ scopes: [,] }, /scopes is not an array of scope names/], [{ realmRoles: new Array(1) }, /realmRoles is not/],
    [accessor, /scopes is not an array/],
    [Object.create({ scopes: ['one'] }), /scopes is inherited/],
    [Object.assign(Object.create({ realmRoles: ['a'] }) as object, { scopes: [] }), /realmRoles is inherited/],
    [{ scopes: ['a"b'] }, /scopes is not an array of scope names/], [{ scopes: ['a\nb'] }, /scopes is not/],
    [{ [Symbol('scopes')]: ['one'] }, /Symbol\(scopes\) is not known/],
    [{ clientRoles: { api: { 0: 'writer', length: 1 } } }, /clientRoles is not/], [{ scopes: { 0: 'one', length: 1 } }, /scopes is not/],
    [{ clientRoles: { api: [[['x']]] } }, /clientRoles is not/],
    [7, /config\.auth is 7/], [handler, /config\.auth is \[Function/],
    [{ nonsense: 1 }, /config\.auth\.nonsense is not known: scopes, anyScope/]
  ]
  const app = await guarded(t, {})
  wrong.forEach(([auth], n) => app.get(`/wrong-${n}`, { config: { auth: auth as DeclaredAccess } }, handler))
  const message = await startError(app)
  wrong.forEach(([, fault], n) => t.match(message.split('\n').find((line) => line.includes(`GET /wrong-${n}:`)), fault))
  t.throws(() => app.access.check(), /GET \/wrong-0/)
  t.equal(app.access.routes().length, 0)
})
