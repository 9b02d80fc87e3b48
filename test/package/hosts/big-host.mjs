// An application that was there before: own @fastify/jwt, error and 404 handlers, swagger, helmet, cors, rate limit, autoload, old routes,
// and two guarded children with different issuers and catalogues.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import autoload from '@fastify/autoload'
import cors from '@fastify/cors'
import helmet from '@fastify/helmet'
import jwt from '@fastify/jwt'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import scopegate from 'scopegate'
import { createTestIssuer } from 'scopegate/testing'

const SECRET = 'a secret of the host, for its own sessions'

for (const order of ['before', 'after']) {
  const first = createTestIssuer({ issuer: 'https://sso.example.com/realms/first' })
  const second = createTestIssuer({ issuer: 'https://sso.example.com/realms/second' })
  const app = Fastify()
  app.setErrorHandler((error, _request, reply) => reply.code(error.statusCode ?? 500).send({ host: error.message }))
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ host: 'nothing here' }))
  app.get('/metrics', () => 'up 1')
  if (order === 'before') await app.register(jwt, { secret: SECRET })
  await app.register(helmet)
  await app.register(cors, { origin: 'https://app.example.com' })
  await app.register(rateLimit, { max: 1000 })
  await app.register(swagger, { openapi: { info: { title: 'host', version: '1' } } })

  await app.register(async (api) => {
    await api.register(scopegate, {
      issuer: first.issuer, audience: 'first_api', keys: first.keySet, scopes: { 'orders:read': 'Read orders' }
    })
    await api.register(autoload, { dir: fileURLToPath(new URL('autoloaded', import.meta.url)), encapsulate: false })
    api.get('/', { config: { auth: { scopes: [] } } }, (request) => ({ issuer: request.principal.issuer }))
    api.get('/broken', { config: { auth: { scopes: [] } } }, () => { throw new Error('a fault of the host') })
  }, { prefix: '/api' })

  await app.register(async (partners) => {
    await partners.register(scopegate, {
      issuer: second.issuer, audience: 'second_api', keys: second.keySet, unlisted: 'public', challengeRealm: 'partners'
    })
    partners.get('/open', () => 'declares nothing')
    partners.get('/closed', { config: { auth: { realmRoles: ['partner'] } } }, (request) => ({ kind: request.principal.kind }))
  }, { prefix: '/partners' })

  if (order === 'after') await app.register(jwt, { secret: SECRET })
  app.get('/session', async (request) => request.jwtVerify())
  await app.ready()

  const call = async (url, token, headers = {}) => {
    const response = await app.inject({ url, headers: { ...token !== undefined && { authorization: `Bearer ${token}` }, ...headers } })
    return {
      status: response.statusCode,
      body: response.headers['content-type']?.includes('json') ? response.json() : response.body,
      headers: response.headers
    }
  }
  const ofFirst = first.sign({ aud: 'first_api', scope: 'orders:read', azp: 'shop' })
  const ofSecond = second.sign({ aud: 'second_api', realm_access: { roles: ['partner'] }, azp: 'partner' })

  assert.equal((await call('/metrics')).body, 'up 1')
  assert.equal((await call('/api/orders')).status, 401)
  assert.deepEqual((await call('/api/orders', ofFirst)).body, { client: 'shop' })
  assert.equal((await call('/api/orders', ofSecond)).status, 401, 'a token of the other guard opens nothing')
  assert.equal((await call('/api/orders', first.sign({ aud: 'first_api', scope: 'email' }))).status, 403)
  assert.deepEqual((await call('/api', ofFirst)).body, { issuer: first.issuer })
  assert.deepEqual((await call('/api/broken', ofFirst)).body, { host: 'a fault of the host' }, 'the errors of the host stay its own')
  assert.deepEqual((await call('/api/nowhere')).body, { host: 'nothing here' })
  assert.equal((await call('/partners/open')).body, 'declares nothing')
  assert.match((await call('/partners/closed')).headers['www-authenticate'], /realm="partners"/)
  assert.equal((await call('/partners/closed', ofSecond)).status, 200)
  assert.equal((await call('/partners/closed', ofFirst)).status, 401)
  const preflight = await app.inject({
    method: 'OPTIONS', url: '/api/orders', headers: { origin: 'https://app.example.com', 'access-control-request-method': 'GET' }
  })
  assert.equal(preflight.statusCode, 204)
  assert.equal((await call('/session', app.jwt.sign({ sub: 'a user of the host' }))).body.sub, 'a user of the host')
  assert.notEqual((await call('/session', ofFirst)).status, 200, 'a token of the issuer is not a session of the host')
  assert.ok(app.swagger().paths['/api/orders'])
  await app.close()
}
