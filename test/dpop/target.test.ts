import Fastify from 'fastify'
import t from 'tap'
import { scopegate } from '../../plugins/scopegate.ts'
import { targetOf } from '../../src/oauth/dpop/target.ts'
import { createTestIssuer } from '../../src/testing.ts'
import { boundTo, holder, proof } from '../support/dpop.ts'

const PUBLIC = 'https://api.example.com'

t.test('the target of a request is the path that the router sees: one with dot segments has none', async (t) => {
  for (const [path, target] of [
    ['/files/a', '/files/a'], ['/files/a?x=/../y', '/files/a'], ['/files/%61', '/files/a'], ['/files/a%2fb', '/files/a%2Fb'],
    ['/files/..a', '/files/..a'], ['/files/.../b', '/files/.../b'], ['/files/.well-known', '/files/.well-known'], ['/', '/'],
    ['https://api.example.com/files/a', '/files/a'], ['HTTP://other.example.com:8080/files/a?x=/y', '/files/a']
  ] as const) t.equal(targetOf(path, PUBLIC), `${PUBLIC}${target}`, path)
  for (const path of [
    '/files/../admin', '/files/%2e%2e/admin', '/files/.%2E/admin', '/files/%2E./admin', '/files/./admin', '/files/%2e/admin', '/files/..',
    '/files/.', '/..', 'https://api.example.com/files/../a', 'https://api.example.com', 'https://api.example.com?x=/files/a', '*', ''
  ]) t.equal(targetOf(path, PUBLIC), undefined, path)
})

t.test('where a host rewrites addresses, a proof names the one that the caller has sent', async (t) => {
  const issuer = createTestIssuer({ alg: 'ES256' })
  const app = Fastify({ rewriteUrl: ({ url = '' }) => url.replace(/^\/v1/, '') })
  t.teardown(() => app.close())
  await app.register(scopegate, {
    issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keys, dpop: 'allowed', publicUrl: PUBLIC
  })
  app.get('/orders', { config: { auth: { scopes: ['one'] } } }, () => 'ok')
  const owner = holder('ES256')
  const token = issuer.sign({ aud: 'api', scope: 'one', ...boundTo(owner) })
  for (const [path, status] of [['/v1/orders', 200], ['/orders', 401]] as const) {
    const dpop = proof(owner, { url: `${PUBLIC}${path}`, token })
    t.equal((await app.inject({ url: '/v1/orders', headers: { authorization: `DPoP ${token}`, dpop } })).statusCode, status, path)
  }
})
