import staticFiles from '@fastify/static'
import swaggerUi from '@fastify/swagger-ui'
import type { FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import type { AccessPolicyOptions } from '../../plugins/access-policy.ts'
import { formatAccess } from '../../src/oauth/access-matrix.ts'
import { guarded } from '../support/guarded.ts'
import { newKey } from '../support/issuer.ts'
import { startService } from '../support/service.ts'

const key = newKey()
const SCOPED = { auth: { scopes: ['test_api_access'] } } as const
const ANY = { auth: { scopes: [] } } as const
const handler = (request: FastifyRequest): object => ({ route: request.routeOptions.url })

t.test('all of Fastify\'s ways to register a route start, are held, are in the matrix, and have a 405', async (t) => {
  const service = await startService(t, {
    key,
    prepare: (app) => {
      app.register((child, _options, done) => { child.get('/', { config: SCOPED }, handler); done() }, { prefix: '/both' })
      app.register(
        (child, _options, done) => { child.get('/', { config: SCOPED, prefixTrailingSlash: 'slash' }, handler); done() },
        { prefix: '/slash' }
      )
      app.register(
        (child, _options, done) => { child.get('/', { config: SCOPED, prefixTrailingSlash: 'no-slash' }, handler); done() },
        { prefix: '/no-slash' }
      )
      app.register(
        (child, _options, done) => { child.get('', { config: SCOPED }, handler); child.post('/', { config: ANY }, handler); done() },
        { prefix: '/two' }
      )
      app.register(
        (child, _options, done) => { child.get('/', { config: SCOPED }, handler); child.get('/x', { config: SCOPED }, handler); done() },
        { prefix: '/ends/' }
      )
      app.get('/no-head', { config: SCOPED, exposeHeadRoute: false }, handler)
      app.route({ method: ['PUT', 'PATCH'], url: '/array', config: SCOPED, handler })
      app.all('/all', { config: SCOPED }, handler)
      app.get('/files/*', { config: SCOPED }, handler)
      app.get('/items/:id', { config: SCOPED }, handler)
      app.delete('/items/:itemId', { config: ANY }, handler)
      app.post('/items/special', { config: ANY }, handler)
      app.get('/optional/:maybe?', { config: SCOPED }, handler)
      app.get('/hosted', { config: { auth: 'public' }, constraints: { host: 'open.example' } }, handler)
      app.post('/hosted', { config: ANY }, handler)
      app.head('/head', { config: SCOPED }, handler)
      app.get('/head', { config: ANY }, handler)
    }
  })
  const rows = service.app.access.routes().map(({ method, url, access }) => `${method} ${url} ${access.scopes.join()}`)
  for (const row of [
    'GET /both test_api_access', 'GET /both/ test_api_access', 'HEAD /both/ test_api_access', 'GET /slash/ test_api_access',
    'GET /no-slash test_api_access', 'POST /two ', 'POST /two/ ', 'GET /ends/ test_api_access', 'GET /ends/x test_api_access',
    'PATCH /array test_api_access', 'DELETE /all test_api_access', 'GET /files/* test_api_access', 'DELETE /items/:itemId ',
    'HEAD /head test_api_access', 'GET /head '
  ]) t.ok(rows.includes(row), row)
  t.equal(
    new Set(service.app.access.routes().map(({ method, url, constraints = '' }) => `${method} ${url} ${constraints}`)).size,
    rows.length,
    'no row twice'
  )
  t.notOk(rows.some((row) => row.startsWith('GET /no-slash/') || row.startsWith('GET /slash ') || row.startsWith('HEAD /no-head')))

  const plain = service.issuer.token()
  const scoped = service.issuer.token({ scope: 'test_api_access' })
  const outcomeOf = async (method: string, path: string, token?: string): Promise<string> => {
    const { status, headers } = await service.ask(path, {
      method, ...token !== undefined && { headers: { authorization: `Bearer ${token}` } }
    })
    return `${status} ${headers.get('allow') ?? ''}`.trim()
  }
  for (const path of [
    '/both', '/both/', '/slash/', '/no-slash', '/two', '/ends/', '/ends/x', '/no-head', '/files/a/b', '/items/5', '/optional',
    '/optional/x', '/all'
  ]) {
    t.same(
      [await outcomeOf('GET', path), await outcomeOf('GET', path, plain), await outcomeOf('GET', path, scoped)],
      ['401', '403', '200'],
      path
    )
  }
  for (const path of ['/slash', '/no-slash/', '/nowhere']) t.equal(await outcomeOf('GET', path, scoped), '404', path)
  t.equal(await outcomeOf('GET', '/head', plain), '200')
  t.equal(await outcomeOf('HEAD', '/head', plain), '403')
  const expected: ReadonlyArray<readonly [string, string, string]> = [
    ['POST', '/both', 'GET, HEAD'], ['POST', '/both/', 'GET, HEAD'], ['PUT', '/two/', 'POST'], ['PUT', '/two', 'GET, HEAD, POST'],
    ['POST', '/ends/', 'GET, HEAD'],
    ['HEAD', '/no-head', 'GET'], ['POST', '/array', 'PATCH, PUT'], ['PUT', '/files/a/b', 'GET, HEAD'],
    ['POST', '/items/5', 'DELETE, GET, HEAD'],
    ['PUT', '/items/special', 'DELETE, GET, HEAD, POST'], ['POST', '/optional', 'GET, HEAD'], ['GET', '/api/messages', 'POST'],
    ['PURGE', '/items/5', 'DELETE, GET, HEAD']
  ]
  for (const [method, path, allow] of expected) {
    t.equal(await outcomeOf(method, path), '401', `${method} ${path} without a token`)
    t.equal(await outcomeOf(method, path, plain), `405 ${allow}`, `${method} ${path}`)
  }
  t.equal(await outcomeOf('DELETE', '/items/special', plain), '200', 'a static path of another method hides no parametric route')
  t.equal(await outcomeOf('PUT', '/hosted'), '405 GET, HEAD, POST', 'as open as the most open route of the path')
  t.equal(await outcomeOf('GET', '/hosted', plain), '404', 'for another host: no such route')
  t.equal(await outcomeOf('POST', '/api/public'), '405 GET, HEAD')
})

t.test('plugins with routes of their own: an allowance in the composition, written down in the matrix', async (t) => {
  const app = await guarded(t, { trusted: [{ path: '/docs/*' }, { path: '/files/*' }] })
  await app.register(import('@fastify/swagger'))
  await app.register(swaggerUi, { routePrefix: '/docs' })
  await app.register(staticFiles, { root: import.meta.dirname, prefix: '/files/' })
  app.get('/docs/own', { config: ANY }, handler)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const status = async (path: string): Promise<number> => (await fetch(`${url}${path}`, { redirect: 'manual' })).status
  t.equal(await status('/docs/json'), 200)
  t.equal(await status('/docs/'), 200)
  t.equal(await status('/files/routes.test.ts'), 200)
  t.equal(await status('/docs/own'), 401, 'what a route declares itself counts')
  const matrix = formatAccess(app.access.routes())
  t.match(matrix, /GET +\/docs\/json +anyone \(trusted: \/docs\/\*\)/)
  t.match(matrix, /GET +\/files\/\* +anyone \(trusted: \/files\/\*\)/)
})

t.test('an allowance opens nothing else', async (t) => {
  const faults = async (trusted: AccessPolicyOptions['trusted'], prepare: (app: FastifyInstance) => unknown): Promise<string> => {
    const app = await guarded(t, { trusted: trusted ?? [] })
    await prepare(app)
    return app.ready().then(() => '', (error: Error) => error.message)
  }
  t.match(await faults([{ path: '/docs/*' }], (app) => app.get('/docsets', handler)), /GET \/docsets: declares no access/)
  t.match(await faults([{ path: '/docs/*' }], (app) => app.post('/docs/x', handler)), /POST \/docs\/x: declares no access/)
  t.equal(await faults([{ path: '/docs/*', methods: ['POST'] }], (app) => app.post('/docs/x', handler)), '')
  t.match(await faults([{ path: '/*' }], (app) => { app.get('/*', handler); app.get('/x', handler) }), /GET \/x: declares no access/)
  t.match(await faults([{ path: '/gone/*' }], (app) => app.get('/x', { config: ANY }, handler)), /trusted \/gone\/\*: no route/)
})

t.test('an undeclared OPTIONS route is open for a preflight only', async (t) => {
  const app = await guarded(t, {})
  app.options('/own', () => ({ secret: 1 }))
  app.options('/declared', { config: ANY }, () => ({ secret: 1 }))
  app.get('/own', { config: ANY }, handler)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const preflight = { origin: 'https://app.example', 'access-control-request-method': 'GET' }
  const status = async (path: string, headers: Record<string, string>): Promise<number> =>
    (await fetch(`${url}${path}`, { method: 'OPTIONS', headers })).status
  t.equal(await status('/own', preflight), 200)
  t.equal(await status('/own', {}), 404)
  t.equal(await status('/own', { origin: 'https://app.example' }), 404)
  t.equal(await status('/own', { authorization: 'Bearer good' }), 404)
  t.equal(await status('/declared', preflight), 401)
  t.equal(await status('/declared', { authorization: 'Bearer good' }), 200)
  t.match(formatAccess(app.access.routes()), /OPTIONS +\/own +CORS preflight only/)
})
