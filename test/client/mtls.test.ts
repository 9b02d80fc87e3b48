import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createClient } from '../../src/client/client.ts'
import type { ClientOptions } from '../../src/client/client.ts'
import { identity, listenTls } from './certificates.ts'

const own = identity('localhost')
const first = identity('first')

t.test('mtls: the certificate is presented to the issuer and to the API, whatever authenticates the client', async (t) => {
  const cases: ReadonlyArray<readonly [name: string, options: object, form: object, basic: boolean]> = [
    ['a secret in the header', { clientSecret: 's' }, {}, true],
    [
      'a secret in the form',
      { clientSecret: 's', clientAuthentication: 'client_secret_post' },
      { client_id: 'id', client_secret: 's' },
      false
    ],
    ['a key', { clientKey: first.key }, { client_id: 'id', client_assertion: /^ey/ }, false],
    ['nothing else', {}, { client_id: 'id' }, false],
    ['nothing else, by name', { clientAuthentication: 'tls_client_auth' }, { client_id: 'id' }, false]
  ]
  for (const [name, options, form, basic] of cases) {
    const server = await listenTls(t, own)
    const client = createClient({ issuer: server.url, clientId: 'id', apiUrl: server.url, ca: own.cert, mtls: first, ...options })
    t.teardown(() => client.close())
    t.equal((await client.fetch('/x')).status, 200, name)
    t.same(server.presented, ['first', 'first', 'first'], `${name}: discovery document, token endpoint, API`)
    t.match(Object.fromEntries(server.forms[1]!), { grant_type: 'client_credentials', ...form }, name)
    t.equal(server.headers[1]!.authorization?.startsWith('Basic ') ?? false, basic, name)
    t.equal(server.headers[2]!.authorization, 'Bearer token-2', name)
  }
})

t.test('mtls: the API receives the certificate of the newest token, also while the files are being replaced', async (t) => {
  const server = await listenTls(t, own)
  const second = identity('second')
  const folder = t.testdir({ cert: first.cert, key: first.key })
  const clock = { ms: 0 }
  const client = createClient({
    tokenEndpoint: `${server.url}/token`, clientId: 'id', clientSecret: 's', apiUrl: server.url, ca: own.cert,
    mtls: { cert: { file: join(folder, 'cert') }, key: { file: join(folder, 'key') } }, now: () => clock.ms
  })
  t.teardown(() => client.close())
  await client.fetch('/x')
  writeFileSync(join(folder, 'cert'), second.cert)
  clock.ms += 270_000
  await client.fetch('/x')
  t.equal(await client.replace(await client.token()), undefined, 'the renewal has ended')
  t.same(
    server.presented,
    ['first', 'first', 'first'],
    'the certificate is new and its key is not: the old token and the old certificate remain'
  )
  writeFileSync(join(folder, 'key'), second.key)
  clock.ms += 31_000
  await client.fetch('/x')
  t.same(server.presented.slice(3), ['second', 'second'], 'token endpoint, API')
})

t.test('mtls: what cannot be used is reported', async (t) => {
  const cases: ReadonlyArray<readonly [options: object, option: string, expected: RegExp]> = [
    [{ mtls: 'x' }, 'mtls', /\{ cert, key \}/],
    [{ mtls: { cert: first.cert, key: own.key }, clientSecret: 's' }, 'mtls', /: the key does not belong to the certificate/],
    [{ mtls: { cert: first.cert, key: 'x' }, clientSecret: 's' }, 'mtls', /a certificate and its key, \{ cert, key \}/],
    [{ mtls: first, clientCertificate: first }, 'mtls', /one certificate/],
    [{ mtls: first, clientAuthentication: 'client_secret_basic' }, 'clientAuthentication', /tls_client_auth/],
    [{ mtls: first, clientSecret: 's', issuer: 'http://localhost/realms/a' }, 'mtls', /an issuer with https/],
    [{ mtls: first, issuer: undefined, tokenEndpoint: 'http://localhost/token' }, 'mtls', /an issuer with https/]
  ]
  for (const [options, option, expected] of cases) {
    const given = { issuer: 'https://sso.example', clientId: 'id', apiUrl: 'https://api.example', ...options } as ClientOptions
    t.throws(
      () => createClient(given),
      { code: 'settings_invalid', problems: [{ option, expected }] },
      JSON.stringify(Object.keys(options))
    )
  }
})
