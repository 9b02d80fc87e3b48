import Fastify, { type FastifyError, type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { refusalResponse, sendProblem } from '../../plugins/refusals.ts'
import { InsufficientScope, InvalidToken, MissingCredentials, Refusal, Unavailable } from '../../src/oauth/errors.ts'

const context = { realm: 'r', scopes: ['a'], resourceMetadata: undefined }
const shared = new InvalidToken('expired', 'exp')

const REFUSALS: ReadonlyArray<readonly [refusal: Refusal, status: number, headers: Record<string, string>]> = [
  [new MissingCredentials(), 401, { 'www-authenticate': 'Bearer realm="r", scope="a"' }],
  [shared, 401, {
    'www-authenticate': 'Bearer realm="r", error="invalid_token", error_description="The access token is not valid for this API", scope="a"'
  }],
  [
    new InsufficientScope('scope_missing', 'x', ['b']),
    403,
    { 'www-authenticate': 'Bearer realm="r", error="insufficient_scope", error_description="x", scope="b"' }
  ],
  [new Unavailable('overloaded', 3), 503, { 'retry-after': '3' }]
]

async function hostOf (t: Test, prepare: (app: FastifyInstance) => void): Promise<(n: number) => Promise<Response>> {
  const app = Fastify()
  prepare(app)
  app.get('/:n', () => 'never reached')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => app.close())
  return (n) => fetch(`${url}/${n}`)
}

t.test('a host that sets no error handler: a thrown refusal carries status and headers', async (t) => {
  const get = await hostOf(t, (app) => {
    app.addHook('onRequest', (request, _reply, next) => {
      const [refusal] = REFUSALS[Number((request.params as { n: string }).n)]!
      next(refusal.withHeaders(refusalResponse(refusal, context).headers))
    })
  })
  for (const [n, [refusal, status, headers]] of REFUSALS.entries()) {
    const response = await get(n)
    t.equal(response.status, status)
    for (const [name, value] of Object.entries({ 'cache-control': 'no-store', ...headers })) {
      t.equal(response.headers.get(name), value, name)
    }
    t.same(refusal.headers, {}, 'the refusal itself is shared between requests and is not changed')
  }
})

t.test('a host\'s own error handler gets a Refusal with statusCode, headers and reason', async (t) => {
  const seen: unknown[] = []
  const get = await hostOf(t, (app) => {
    app.setErrorHandler((error: FastifyError & Refusal, _request, reply) => {
      seen.push([
        error instanceof Refusal, error instanceof InvalidToken, error.statusCode, error.reason, error.detail, error.message,
        error.headers['cache-control']
      ])
      return reply.code(error.statusCode).send('own')
    })
    app.addHook('onRequest', (_request, _reply, next) => next(shared.withHeaders(refusalResponse(shared, context).headers)))
  })
  t.equal(await (await get(1)).text(), 'own')
  t.same(seen, [[true, true, 401, 'expired', 'exp', 'The access token is not valid for this API', 'no-store']])
})

t.test('a hook can send the response itself, past the error handler of the host', async (t) => {
  const get = await hostOf(t, (app) => {
    app.setErrorHandler(() => { throw new Error('never called') })
    app.addHook('onRequest', (_request, reply) => sendProblem(reply, refusalResponse(shared, context)))
  })
  const response = await get(1)
  t.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
  t.match(await response.json(), { type: 'about:blank', title: 'Unauthorized', status: 401, error: 'invalid_token', request_id: 'req-1' })
})
