// In a process of its own: its snapshot has its name.
import t from 'tap'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { formatAccess } from '../../src/oauth/access-matrix.ts'

interface Operation {
  readonly security?: unknown
  readonly responses: Record<string, unknown>
  readonly description?: string
  readonly parameters?: unknown
}
interface Document { readonly paths: Record<string, Record<string, Operation>>, readonly components: unknown, readonly servers?: unknown }

const BASE = { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'test_api' }

t.test('the OpenAPI document says who may call, from the same declaration that is enforced', async (t) => {
  const app = await buildApp(loadConfig({ ...BASE, PUBLIC_URL: 'https://api.example.com' }))
  const auths = {
    any: { scopes: [] },
    one: { anyScope: ['test_api_access'] },
    maybe: { optional: true },
    role: { realmRoles: ['auditor'], clientRoles: { a: ['b', 'c'] }, kind: 'user' }
  } as const
  for (const [name, auth] of Object.entries(auths)) app.get(`/t/${name}`, { config: { auth } }, () => name)
  t.teardown(() => app.close())
  await app.ready()
  const { paths, components, servers } = app.openapi() as Document
  t.same(paths['/api/private-scoped']?.get?.security, [{ clientCredentials: ['test_api_access'] }])
  t.same(Object.keys(paths['/api/private-scoped']?.get?.responses ?? {}).sort(), ['200', '400', '401', '403', '503'])
  t.match(
    [paths['/api/private-scoped']?.get?.responses['200'], paths['/api/messages']?.post?.responses['201']],
    [{ description: 'OK' }, { description: 'Created' }]
  )
  t.same(paths['/t/any']?.get?.security, [{ clientCredentials: [] }])
  t.same(paths['/t/one']?.get?.security, [{ clientCredentials: ['test_api_access'] }])
  t.same(paths['/t/maybe']?.get?.security, [{}, { clientCredentials: [] }])
  t.equal(paths['/t/role']?.get?.description, 'Who may call: valid token: realm role auditor, role b and c of a, a user')
  t.equal(paths['/api/public']?.get?.security, undefined)
  t.same(Object.keys(paths['/api/messages'] ?? {}), ['post'], 'the 405 routes are not in it')
  t.match(components, { securitySchemes: { clientCredentials: {
    flows: { clientCredentials: { tokenUrl: `${BASE.ISSUER}/protocol/openid-connect/token`, scopes: { test_api_access: String } } }
  } } })
  t.same(servers, [{ url: 'https://api.example.com' }])
  t.equal(paths['/api/private']?.get?.parameters, undefined)
  t.same(headersOf(paths['/api/private']?.get?.responses['401']), ['WWW-Authenticate'])
  t.equal((await app.inject('/openapi.json')).statusCode, 200)
})

const headersOf = (response: unknown): string[] => Object.keys((response as { readonly headers?: object } | undefined)?.headers ?? {})

t.test('with DPOP=required the document and the matrix say that every token must be bound', async (t) => {
  const app = await buildApp(loadConfig({ ...BASE, PUBLIC_URL: 'https://api.example.com', DPOP: 'required' }))
  app.get('/t/maybe', { config: { auth: { optional: true } } }, () => '')
  const headers = { type: 'object', properties: { 'x-tenant': { type: 'string' } }, required: ['x-tenant'] }
  app.get('/t/with-headers', { config: { auth: { scopes: [] } }, schema: { headers } }, () => '')
  app.addSchema({ $id: 'h', type: 'object', properties: { 'x-tenant': { type: 'string' } } })
  const own = { type: 'object', properties: { dpop: { type: 'string', description: 'ours' } } }
  app.get('/t/own', { config: { auth: { scopes: [] } }, schema: { headers: own } }, () => '')
  app.get('/t/referring', { config: { auth: { scopes: [] } }, schema: { headers: { $ref: 'h#' } } }, () => '')
  t.teardown(() => app.close())
  await app.ready()
  const { paths } = app.openapi() as Document
  t.match(paths['/t/own']?.get?.parameters, [{ name: 'dpop', description: 'ours' }])
  t.equal((paths['/t/own']?.get?.parameters as unknown[]).length, 1)
  t.match(paths['/t/referring']?.get?.parameters, [{ name: 'x-tenant' }])
  const proof = { in: 'header', name: 'DPoP', required: true, schema: { type: 'string' } }
  t.match(paths['/api/private']?.get?.parameters, [proof])
  t.match(paths['/t/maybe']?.get?.parameters, [{ ...proof, required: false }])
  t.match(paths['/t/with-headers']?.get?.parameters, [{ name: 'x-tenant', required: true }, proof])
  t.equal(paths['/api/public']?.get?.parameters, undefined)
  t.same(headersOf(paths['/api/private']?.get?.responses['401']), ['WWW-Authenticate', 'DPoP-Nonce'])
  t.equal(paths['/api/private']?.get?.description, 'Who may call: valid token: bound to a key')
  const matrix = formatAccess(app.access.routes())
  t.match(matrix, /GET +\/api\/private-scoped +valid token: scope test_api_access, bound to a key/)
  t.match(matrix, /GET +\/api\/public +anyone\n/)
  t.match(matrix, /GET +\/t\/maybe +anyone; a token that is presented must be valid/)
  t.notMatch(matrix, /any valid token/)
})

t.test('in production it is not served', async (t) => {
  const app = await buildApp(loadConfig({ ...BASE, NODE_ENV: 'production' }))
  t.teardown(() => app.close())
  t.equal((await app.inject('/openapi.json')).statusCode, 404)
})

t.test('the access matrix: a change of it is a change of who may call what', async (t) => {
  const app = await buildApp(loadConfig({ ...BASE, NODE_ENV: 'production' }))
  t.teardown(() => app.close())
  t.matchSnapshot(formatAccess(app.access.routes()))
  t.equal(formatAccess([]), '')
})
