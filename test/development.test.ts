import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { project, up, type Started } from './support/project.ts'
import { until } from './support/service.ts'

const requestToken = (issuer: string, scope: string): Promise<Response> => fetch(`${issuer}/protocol/openid-connect/token`, {
  method: 'POST',
  body: new URLSearchParams({
    grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: 'test-api-client-demo-secret', scope
  })
})

const tokenOf = async (issuer: string): Promise<string> =>
  ((await (await requestToken(issuer, 'test_api_access')).json()) as { access_token: string }).access_token

const call = async ({ api }: Started, token: string): Promise<number> =>
  (await fetch(`${api()}/api/private-scoped`, { headers: { authorization: `Bearer ${token}` } })).status

const REALM = 'keycloak/myorg-realm.json'

t.test('a realm file that cannot be used stops the start before anything listens', async (t) => {
  const cases: readonly (readonly [string, (text: string) => string, RegExp])[] = [
    [
      'not JSON',
      (text) => text.replace('"enabled": true,', '"enabled": true'),
      /realm\.json is not JSON\. Line 5, column 3: a comma or } is expected\.\n$/
    ],
    [
      'a wrong shape',
      (text) => text.replace('300', '"300"'),
      /realm\.json cannot be used\. Line 5, column 26: accessTokenLifespan must be a whole number\.\n$/
    ],
    [
      'a scope without a definition',
      (text) => text.replace('["test_api_access"]', '["reports:read"]'),
      /Line \d+, column \d+: client test_api_client names the scope reports:read\. Add to "clientScopes": \{/
    ]
  ]
  for (const [name, change, sentence] of cases) {
    const { edit, start } = project(t)
    edit(REALM, change)
    const started = start()
    t.equal(await started.code, 1, name)
    t.match(started.err(), /^Scopegate cannot start: The realm file .*myorg-/)
    t.match(started.err(), sentence)
    t.notMatch(started.err(), /^\s+at /m)
    t.notMatch(started.out(), /listening/)
  }
})

t.test('a scope of the catalogue that no token can have: the start prints the lines to add, and so does a refusal', async (t) => {
  const { edit, copySources, build, start } = project(t)
  copySources()
  edit('routes/scopes.ts', (text) => text.replace('export const SCOPES = {', '$& \'reports:read\': \'Read the reports\','))
  await build()
  const before = start()
  await up(before)
  t.match(before.out(), `No token has the scope reports:read. Add to the realm file
  to "clientScopes": { "name": "reports:read", "protocol": "openid-connect", "attributes": { "include.in.token.scope": "true" } }
  to "optionalClientScopes" of test_api_client: "reports:read"`)
  const refused = await requestToken(before.issuer(), 'reports:read')
  t.same(
    [refused.status, await refused.json()],
    [400, { error: 'invalid_scope', error_description: 'Invalid scopes: reports:read' }],
    'word for word as Keycloak'
  )
  await until(() => /The client test_api_client cannot request the scope .*reports:read.*optionalClientScopes/.test(before.out()))

  edit(REALM, (text) => text
    .replace(
      '"clientScopes": [',
      '$&{ "name": "reports:read", "protocol": "openid-connect", "attributes": { "include.in.token.scope": "true" } },'
    )
    .replace('"optionalClientScopes": ["test_api_access"', '$&, "reports:read"'))
  const after = start()
  await up(after)
  t.notMatch(after.out(), /No token has the scope/)
  t.match(await (await requestToken(after.issuer(), 'reports:read')).json(), { scope: /reports:read/ })
})

t.test('a token remains valid when the service restarts, and only the owner may read its keys', async (t) => {
  const { folder, start } = project(t)
  const first = start()
  await up(first)
  const token = await tokenOf(first.issuer())
  t.equal(await call(first, token), 200)
  first.child.kill('SIGINT')
  t.equal(await first.code, 0)
  if (process.platform !== 'win32') t.equal(statSync(join(folder, '.development-keys.json')).mode & 0o777, 0o600)
  const second = start([], { DEVELOPMENT_ISSUER_PORT: new URL(first.issuer()).port })
  await up(second)
  t.equal(await call(second, token), 200)
  t.match(readFileSync('.gitignore', 'utf8'), /^\.development-keys\.json/m)
})
