import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { scopegate } from '../../plugins/scopegate.ts'
import { targetsOf } from '../../src/oauth/dpop/target.ts'
import { createTestIssuer } from '../../src/testing.ts'
import { boundTo, holder, proof } from '../support/dpop.ts'

const PUBLIC = 'https://api.example.com'

t.test('the target of a request is the path that the router sees: one with dot segments has none', async (t) => {
  for (const [path, target] of [
    ['/files/a', '/files/a'], ['/files/a?x=/../y', '/files/a'], ['/files/%61', '/files/a'], ['/files/a%2fb', '/files/a%2Fb'],
    ['/files/..a', '/files/..a'], ['/files/.../b', '/files/.../b'], ['/files/.well-known', '/files/.well-known'],
    ['/files/user%40example.com', '/files/user%40example.com'], ['/files/', '/files/'], ['//', '//'],
    ['https://api.example.com/files/a', '/files/a'], ['HTTP://other.example.com:8080/files/a?x=/y', '/files/a']
  ] as const) t.same(targetsOf(path, PUBLIC), [`${PUBLIC}${target}`], path)
  for (const path of [
    '/files/../admin', '/files/%2e%2e/admin', '/files/.%2E/admin', '/files/%2E./admin', '/files/./admin', '/files/%2e/admin', '/files/..',
    '/files/.', '/..', 'https://api.example.com/files/../a', 'https://api.example.com', 'https://api.example.com?x=/files/a', '*', ''
  ]) t.same(targetsOf(path, PUBLIC), [], path)
  t.same(targetsOf('/', 'https://not a host'), [], 'an address that is none')
})

/** A host whose guard has this `publicUrl`, and the status of a request with a proof that names `url`. */
async function host (t: Test, publicUrl: string): Promise<(path: string, url: string, method?: 'GET' | 'DELETE') => Promise<number>> {
  const issuer = createTestIssuer({ alg: 'ES256' })
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scopegate, {
    issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keys, dpop: 'allowed', publicUrl
  })
  for (const url of ['/', '/orders', '/orders/']) app.get(url, { config: { auth: { scopes: ['one'] } } }, () => 'ok')
  app.delete('/', { config: { auth: { scopes: ['one'] } } }, () => 'ok')
  const owner = holder('ES256')
  const token = issuer.sign({ aud: 'api', scope: 'one', ...boundTo(owner) })
  return async (path, url, method = 'GET') => {
    const dpop = proof(owner, { url, token, method: 'GET' })
    return (await app.inject({ method, url: path, headers: { authorization: `DPoP ${token}`, dpop } })).statusCode
  }
}

t.test('a proof for the root names PUBLIC_URL with or without the slash: a gateway that removes the prefix sends / for both', async (t) => {
  const statusOf = await host(t, 'https://api.example.com/test-api')
  for (const path of ['/', '/?x=1']) {
    for (const end of ['', '/', '?x=1', '/?x=1', '#f']) {
      t.equal(await statusOf(path, `https://api.example.com/test-api${end}`), 200, path + end)
    }
  }
})

t.test('… and nothing else: no other method, host, prefix or path, and no other path without its slash', async (t) => {
  const statusOf = await host(t, 'https://api.example.com/test-api')
  t.equal(await statusOf('/', 'https://api.example.com/test-api', 'DELETE'), 401, 'another method')
  for (const url of [
    'https://api.example.com/', 'https://api.example.com', 'https://api.example.com/test-ap', 'https://api.example.com/test-api//',
    'https://api.example.com/test-apix', 'https://api.example.com/Test-Api', 'https://api.example.com/test-api%2F',
    'http://api.example.com/test-api', 'https://evil.example/test-api', 'https://api.example.com/test-api/orders', '/test-api', ''
  ]) t.equal(await statusOf('/', url), 401, url)
  for (const [path, end] of [['/orders', '/orders/'], ['/orders/', '/orders'], ['/orders', ''], ['/orders', '/']] as const) {
    t.equal(await statusOf(path, `https://api.example.com/test-api${end}`), 401, `${path}, named ${end}`)
  }
  t.equal(await statusOf('/orders/', 'https://api.example.com/test-api/orders/'), 200)
})

t.test('the root of a PUBLIC_URL without a path: as before, both spellings are one URI (RFC 3986 section 6.2.3)', async (t) => {
  const statusOf = await host(t, PUBLIC)
  for (const end of ['', '/']) t.equal(await statusOf('/', PUBLIC + end), 200, end)
  for (const url of ['https://api.example.co', `${PUBLIC}/x`, `${PUBLIC}//`]) t.equal(await statusOf('/', url), 401, url)
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
