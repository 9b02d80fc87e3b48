import { setTimeout as pause } from 'node:timers/promises'
import { inspect } from 'node:util'
import { runInNewContext } from 'node:vm'
import Fastify, {
  type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions, type RouteOptions
} from 'fastify'
import t, { type Test } from 'tap'
import { Refusal, scopegate } from '../../plugins/scopegate.ts'
import { createTestIssuer } from '../../src/testing.ts'

const issuer = createTestIssuer({ alg: 'ES256' })
const token = issuer.sign({ aud: 'api', scope: 'one', azp: 'job' })
const bearer = { authorization: `Bearer ${token}` }

interface Seen {
  readonly status: number
  readonly challenge: string | null
  readonly cacheControl: string | null
  readonly type: string
  readonly body: Readonly<Record<string, unknown>>
}

type HostHandler = 'before' | 'after' | 'none'

/** What the host's own error handler received. */
interface Host { readonly errors: unknown[], readonly get: (path: string, headers?: Record<string, string>) => Promise<Seen> }

async function start (t: Test, errors: 'problem' | 'throw', handler: HostHandler, options: FastifyServerOptions = {}): Promise<Host> {
  const received: unknown[] = []
  const app = Fastify(options)
  t.teardown(() => app.close())
  const hostHandler = (): unknown => app.setErrorHandler((error: { statusCode?: number, message: string }, _request, reply) => {
    received.push(error)
    return reply.code(error.statusCode ?? 500).send({ host: error.message })
  })
  if (handler === 'before') hostHandler()
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ host: 'nothing here' }))
  await app.register(scopegate, { issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keys, errors })
  routes(app)
  if (handler === 'after') hostHandler()
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const get: Host['get'] = async (path, headers = {}) => {
    const response = await fetch(`${url}${path}`, { headers })
    const text = await response.text()
    return {
      status: response.status, challenge: response.headers.get('www-authenticate'), cacheControl: response.headers.get('cache-control'),
      type: (response.headers.get('content-type') ?? '').replace(/;.*/, ''),
      body: text.startsWith('{') ? JSON.parse(text) as Record<string, unknown> : { text }
    }
  }
  return { errors: received, get }
}

const ANY = { auth: { scopes: [] } } as const
const OPTIONAL = { auth: { optional: true } } as const
const wrong = (): never => { throw Object.assign(new Error('an error of the host'), { statusCode: 418 }) }
const clientOf = ({ principal }: FastifyRequest): object => ({ client: principal.clientId })

function routes (app: FastifyInstance): void {
  const ok = (): string => 'ok'
  app.get('/scoped', { config: { auth: { scopes: ['two'] } } }, ok)
  app.get('/sync', { config: OPTIONAL }, clientOf)
  app.get('/async', { config: OPTIONAL }, async (request) => { await Promise.resolve(); return clientOf(request) })
  app.get('/hook', { config: OPTIONAL, preHandler: (request, _reply, done) => { clientOf(request); done() } }, ok)
  app.get('/hook-async', { config: OPTIONAL, preHandler: async (request) => { clientOf(request) } }, ok)
  app.get('/require', { config: ANY }, (request) => { request.requireScope('three'); return 'ok' })
  app.get('/require-async', { config: ANY }, async (request) => { await Promise.resolve(); request.requireScope('three'); return 'ok' })
  app.get('/require-hook', { config: ANY, preHandler: async (request) => { request.requireScope('three') } }, ok)
  app.get('/require-sent', { config: ANY }, (request, reply) => {
    try { request.requireScope('three') } catch (error) { void reply.send(error) }
  })
  app.get('/require-met', { config: ANY }, (request) => { request.requireScope('one'); return { ok: true } })
  app.get('/broken', { config: ANY }, wrong)
  app.get('/broken-async', { config: ANY }, async () => { await Promise.resolve(); wrong() })
  app.get('/broken-hook', { config: ANY, preHandler: async () => { wrong() } }, ok)
  app.get('/own', { config: ANY, errorHandler: ownHandler }, wrong)
  app.get('/own-refused', { config: OPTIONAL, errorHandler: ownHandler }, clientOf)
  void app.register(async (child) => {
    child.addHook('preHandler', async (request) => { request.requireScope('three') })
    child.get('/child', { config: ANY }, ok)
  })
}

function ownHandler (error: { message: string }, _request: FastifyRequest, reply: FastifyReply): void {
  void reply.code(419).send({ route: error.message })
}

const MISSING = 'Bearer realm="scopegate"'
const LACKS = (scope: string): string =>
  `Bearer realm="scopegate", error="insufficient_scope", error_description="The access token lacks the scope ${scope}", scope="${scope}"`

/** Path, with a token or without one, status, challenge, reason. */
type RefusedCase = readonly [path: string, headers: Record<string, string>, status: number, challenge: string, reason: string]
const REFUSED: readonly RefusedCase[] = [
  ['/scoped', {}, 401, 'Bearer realm="scopegate", scope="two"', 'credentials_missing'],
  ['/scoped', bearer, 403, LACKS('two'), 'scope_missing'],
  [
    '/scoped', { authorization: 'Bearer x' }, 401,
    'Bearer realm="scopegate", error="invalid_token", error_description="The access token is not valid for this API", scope="two"',
    'not_three_parts'
  ],
  ...['/sync', '/async', '/hook', '/hook-async'].map((path) => [path, {}, 401, MISSING, 'credentials_missing'] as const),
  ...['/require', '/require-async', '/require-hook', '/require-sent', '/child'].map((path) => [
    path, bearer, 403, LACKS('three'), 'scope_missing'
  ] as const)
]

const HOSTS: ReadonlyArray<readonly [HostHandler, FastifyServerOptions]> = [
  ['before', {}], ['after', {}], ['none', {}],
  ['before', { allowErrorHandlerOverride: false }], ['after', { allowErrorHandlerOverride: false }],
  ['none', { allowErrorHandlerOverride: false }]
]

for (const [handler, options] of HOSTS) {
  const of = `host handler ${handler}${options.allowErrorHandlerOverride === false ? ', allowErrorHandlerOverride: false' : ''}`
  t.test(`errors: 'problem', ${of}: every refusal is a problem, and the host's handler receives none`, async (t) => {
    const host = await start(t, 'problem', handler, options)
    for (const [path, headers, status, challenge] of REFUSED) {
      const seen = await host.get(path, headers)
      t.match(seen, { status, challenge, cacheControl: 'no-store', type: 'application/problem+json' }, path)
      t.match(seen.body, { status, type: 'about:blank', request_id: String }, path)
    }
    t.same(
      await host.get('/own-refused').then(({ status, challenge }) => ({ status, challenge })),
      { status: 401, challenge: MISSING },
      'a route with its own error handler'
    )
    t.same(host.errors, [])
    await errorsOfTheHost(t, host, handler)
  })

  t.test(`errors: 'throw', ${of}: every refusal reaches the host's handler with status, headers and reason`, async (t) => {
    const host = await start(t, 'throw', handler, options)
    for (const [path, headers, status, challenge, reason] of REFUSED) {
      const before = host.errors.length
      const seen = await host.get(path, headers)
      if (handler === 'none') t.match(seen, { status, challenge, cacheControl: 'no-store', body: { statusCode: status } }, path)
      else {
        t.match(seen, { status, challenge, cacheControl: 'no-store', body: { host: String } }, path)
        const error = host.errors.at(-1)
        t.equal(host.errors.length, before + 1, path)
        t.ok(error instanceof Refusal, path)
        t.match(error, { statusCode: status, reason, headers: { 'www-authenticate': challenge, 'cache-control': 'no-store' } }, path)
      }
    }
    t.match(await host.get('/own-refused'), { status: 419, body: { route: 'An access token is required' } })
    host.errors.length = 0
    await errorsOfTheHost(t, host, handler)
  })
}

async function errorsOfTheHost (t: Test, host: Host, handler: HostHandler): Promise<void> {
  for (const path of ['/broken', '/broken-async', '/broken-hook']) {
    const seen = await host.get(path, bearer)
    t.match(
      seen,
      { status: 418, challenge: null, body: handler === 'none' ? { message: 'an error of the host' } : { host: 'an error of the host' } },
      path
    )
  }
  t.equal(host.errors.length, handler === 'none' ? 0 : 3)
  t.match(await host.get('/own', bearer), { status: 419, body: { route: 'an error of the host' } })
  t.match(await host.get('/nowhere'), { status: 404, body: { host: 'nothing here' } })
  t.match(await host.get('/sync', bearer), { status: 200, body: { client: 'job' } })
  t.match(await host.get('/require-met', bearer), { status: 200, body: { ok: true } })
}

t.test('onError hooks of the host see a refusal of a handler once', async (t) => {
  const seen: unknown[] = []
  const app = Fastify()
  t.teardown(() => app.close())
  app.addHook('onError', async (_request, _reply, error) => { seen.push(error.message) })
  await app.register(scopegate, { issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keySet })
  routes(app)
  t.equal((await app.inject({ url: '/require', headers: bearer })).statusCode, 403)
  t.equal((await app.inject({ url: '/broken', headers: bearer })).statusCode, 418)
  t.same(seen, ['The access token lacks the scope three', 'an error of the host'])
})

/** Anything can be thrown; of another realm is what Jest and vm throw. */
const THROWN: ReadonlyArray<readonly [name: string, value: () => unknown]> = [
  ['text', () => 'a text'],
  ['object', () => ({ message: 'an object', statusCode: 409 })],
  ['null', () => null],
  ['undefined', () => undefined],
  ['of-another-realm', () => runInNewContext('new Error("of another realm")') as unknown]
]

function throwingRoutes (app: FastifyInstance): void {
  for (const [name, value] of THROWN) {
    const config = { auth: 'public' } as const
    app.get(`/${name}`, { config }, async () => { throw value() })
    app.get(`/${name}/sync`, { config }, () => { throw value() })
    app.get(`/${name}/status`, { config }, async (_request, reply) => { reply.code(409); throw value() })
    app.get(`/${name}/hook`, { config, preHandler: async () => { throw value() } }, () => 'protected')
    app.get(`/${name}/callback`, { config, preHandler: (_request, _reply, done) => { done(value() as Error) } }, () => 'protected')
    const errorHandler: RouteOptions['errorHandler'] = (error, _request, reply) => { void reply.code(400).send(`own ${String(error)}`) }
    app.get(`/${name}/own-handler`, { config, errorHandler }, async () => { throw value() })
  }
}

for (const handler of ['before', 'after', 'none'] as const) {
  for (const errors of ['problem', 'throw'] as const) {
    t.test(`what is thrown and is no error is the host's, as without the guard: errors ${errors}, handler ${handler}`, async (t) => {
      const apps = await Promise.all([true, false].map(async (hasGuard) => {
        const app = Fastify()
        t.teardown(() => app.close())
        const hostHandler = (): unknown =>
          app.setErrorHandler((error, _request, reply) => reply.code(503).send({ host: inspect(error).split('\n')[0] }))
        if (handler === 'before') hostHandler()
        if (hasGuard) {
          await app.register(scopegate, { issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keys, errors })
        }
        throwingRoutes(app)
        if (handler === 'after') hostHandler()
        await app.ready()
        return app
      }))
      const ends = ['', '/sync', '/status', '/hook', '/callback', '/own-handler']
      const paths = THROWN.flatMap(([name]) => ends.map((end) => `/${name}${end}`))
      for (const path of paths) {
        const [guarded, plain] = await Promise.all(apps.map(async (app) => {
          const answer = app.inject({ url: path }).then(({ statusCode, body }) => [statusCode, body])
          // A hook that calls back without an error goes on; a handler that rejects with undefined never responds in Fastify.
          return await Promise.race([answer, pause(300, 'no response')])
        }))
        t.same(guarded, plain, `${path}: ${JSON.stringify(plain)}`)
      }
    })
  }
}
