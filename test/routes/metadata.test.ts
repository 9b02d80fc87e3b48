import t from 'tap'
import { metadataAddress } from '../../src/oauth/resource-metadata.ts'
import { newKey } from '../support/issuer.ts'
import { startService } from '../support/service.ts'

const key = newKey('ES256')

t.test('RFC 9728: the document at its well-known path, built from configuration, never from the request', async (t) => {
  const { get, ask, issuer } = await startService(t, {
    key, environment: { PUBLIC_URL: 'https://api.example.com/v1/', ALGORITHMS: 'ES256' }
  })
  const address = '/.well-known/oauth-protected-resource/v1'
  for (const headers of [{}, { host: 'evil.example', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http' }]) {
    const response = await get(address, undefined, headers)
    t.equal(response.status, 200)
    t.same(response.body, {
      resource: 'https://api.example.com/v1', authorization_servers: [issuer.issuer], scopes_supported: ['test_api_access'],
      bearer_methods_supported: ['header'], resource_name: 'Scopegate'
    })
    t.equal(response.headers.get('access-control-allow-origin'), '*')
  }
  const preflight = await ask(address, {
    method: 'OPTIONS', headers: { origin: 'https://app.example', 'access-control-request-method': 'GET' }
  })
  t.equal(preflight.status, 204)
  t.equal(preflight.headers.get('access-control-allow-origin'), '*')
  t.equal(
    (await get('/api/private')).challenge,
    'Bearer realm="scopegate", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/v1"'
  )
  t.match(
    (await get('/api/private-scoped', issuer.token())).challenge,
    /, resource_metadata="https:\/\/api\.example\.com\/\.well-known\/oauth-protected-resource\/v1"$/
  )
  t.equal((await get('/.well-known/oauth-protected-resource')).status, 404)
})

t.test('without PUBLIC_URL there is no document, and no challenge names one', async (t) => {
  const { get } = await startService(t, { key, environment: { ALGORITHMS: 'ES256' } })
  t.equal((await get('/.well-known/oauth-protected-resource')).status, 404)
  t.notMatch((await get('/api/private')).challenge, /resource_metadata/)
})

t.test('the path of the resource stands after the well-known part', async (t) => {
  t.equal(metadataAddress('https://a.example'), 'https://a.example/.well-known/oauth-protected-resource')
  t.equal(metadataAddress('https://a.example/b/c'), 'https://a.example/.well-known/oauth-protected-resource/b/c')
})
