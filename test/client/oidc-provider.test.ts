import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from 'oidc-provider'
import t from 'tap'
import { createClient } from '../../src/client/client.ts'
import { json, listen } from './fakes.ts'

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...key.publicKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' }
const grant = { grant_types: ['client_credentials'], redirect_uris: [], response_types: [], scope: 'read' }

/** An issuer of another maker: oidc-provider. */
t.test('oidc-provider: basic, post and private_key_jwt; a scope that it does not grant', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    scopes: ['read', 'write'],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    clients: [
      { ...grant, client_id: 'with-basic.1', client_secret: 's3cr+t/ %:&', token_endpoint_auth_method: 'client_secret_basic' },
      { ...grant, client_id: 'with-post', client_secret: 's3cr+t/ %:&', token_endpoint_auth_method: 'client_secret_post' },
      {
        ...grant, client_id: 'with-key', jwks: { keys: [jwk] }, token_endpoint_auth_method: 'private_key_jwt',
        token_endpoint_auth_signing_alg: 'ES256'
      }
    ]
  })
  server.on('request', provider.callback())
  const api = await listen(t, json(200, {}))
  const clientKey = key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const cases = [
    { clientId: 'with-basic.1', clientSecret: 's3cr+t/ %:&' },
    { clientId: 'with-post', clientSecret: 's3cr+t/ %:&', clientAuthentication: 'client_secret_post' },
    { clientId: 'with-key', clientKey }
  ] as const
  for (const credentials of cases) {
    const client = createClient({ issuer, apiUrl: api.url, scope: ['read'], ...credentials })
    t.teardown(() => client.close())
    t.equal((await client.fetch('/')).status, 200, credentials.clientId)
    await t.rejects(client.token(['write']), { code: 'scope_refused' })
  }
  t.equal(new Set(api.seen.map(({ headers }) => headers.authorization)).size, 3)
  const wrong = createClient({
    issuer, apiUrl: api.url, clientId: 'with-post', clientSecret: 'x', clientAuthentication: 'client_secret_post'
  })
  t.teardown(() => wrong.close())
  await t.rejects(wrong.token(), { code: 'credentials_refused' })
})
