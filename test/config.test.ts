import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ENVIRONMENT, loadConfig, readEnvironment, readSources, type Environment } from '../src/config.ts'
import { problemsOf } from './support/config-problems.ts'

const ISSUER = 'https://sso.example.com/realms/myorg'
const GIVEN = { ISSUER, AUDIENCE: 'test_api' }

t.test('nothing set: the development issuer and the defaults', async (t) => {
  t.match(loadConfig({}), {
    developmentIssuer: true, issuer: 'http://localhost:8080/realms/myorg', audience: ['test_api'], algorithms: ['RS256'],
    tokenKind: 'keycloak', clockToleranceSeconds: 5,
    maxTokenLifetimeSeconds: 86_400, keysRefreshSeconds: 60, keysMaxStaleHours: 24, tokenCacheBytes: 32 * 1024 * 1024,
    challengeRealm: 'scopegate', host: 'localhost', port: 50_100,
    logLevel: 'info', production: false, warnings: [], jwksUrl: 'http://localhost:8080/realms/myorg/protocol/openid-connect/certs'
  })
})

t.test('with an issuer', async (t) => {
  t.match(loadConfig(GIVEN), {
    developmentIssuer: false, issuer: ISSUER, jwksUrl: `${ISSUER}/protocol/openid-connect/certs`, audience: ['test_api']
  })
  t.match(
    loadConfig({ ...GIVEN, ISSUER: 'https://example.com/' }),
    { issuer: 'https://example.com/', jwksUrl: 'https://example.com/protocol/openid-connect/certs' }
  )
  t.match(loadConfig({ ...GIVEN, AUDIENCE: ' a,b , c, a', ALGORITHMS: 'ES256 EdDSA', TRUST_PROXY: '10.0.0.0/8, ::1 loopback' }),
    { audience: ['a', 'b', 'c'], algorithms: ['ES256', 'EdDSA'], trustProxy: ['10.0.0.0/8', '::1', 'loopback'] })
  t.match(loadConfig({
    ...GIVEN, PORT: '0', CLOCK_TOLERANCE_SECONDS: '60', TOKEN_KIND: 'at+jwt', PUBLIC_URL: 'https://api.example.com/v1/',
    NODE_ENV: 'production'
  }),
  { port: 0, clockToleranceSeconds: 60, tokenKind: 'at+jwt', publicUrl: 'https://api.example.com/v1', production: true })
})

t.test('an empty value counts as not set', async (t) => {
  t.match(loadConfig({ ISSUER: '', AUDIENCE: ' ', PORT: '', OIDC_ISSUER: '' }), { developmentIssuer: true, port: 50_100 })
})

t.test('spaces and line breaks around a value are not part of it, as files and secrets of Kubernetes leave them', async (t) => {
  t.match(
    loadConfig({ ISSUER: `${ISSUER}\n`, AUDIENCE: 'test_api\r\n', PORT: '1 ', LOG_LEVEL: ' warn' }),
    { issuer: ISSUER, audience: ['test_api'], port: 1, logLevel: 'warn' }
  )
})

t.test('further settings', async (t) => {
  t.match(loadConfig({
    ...GIVEN, SERVICE_CLAIM: 'token_use=service=x', CORS_ORIGINS: 'https://app.example.com, http://localhost:3000',
    ALLOW_INSECURE_HTTP: 'on', USE_ENV_PROXY: 'on',
    DEVELOPMENT_ISSUER_PORT: '8081', CHALLENGE_REALM: 'my api', KEYS_FETCH_TIMEOUT_SECONDS: '30', MAX_TOKEN_BYTES: '60000', HOST: '::1'
  }), {
    serviceClaim: { name: 'token_use', value: 'service=x' }, corsOrigins: ['https://app.example.com', 'http://localhost:3000'],
    allowInsecureHttp: true, useEnvProxy: true,
    developmentIssuerPort: 8081, challengeRealm: 'my api', keysFetchTimeoutSeconds: 30, maxTokenBytes: 60_000, host: '::1', warnings: []
  })
})

t.test('the old name of CHALLENGE_REALM works one version longer, with a warning', async (t) => {
  t.match(loadConfig({ ...GIVEN, REALM_NAME: 'old' }), { challengeRealm: 'old', warnings: [/^REALM_NAME is now CHALLENGE_REALM/] })
  t.match(loadConfig({ ...GIVEN, REALM_NAME: 'old', CHALLENGE_REALM: 'new' }), { challengeRealm: 'new', warnings: [/^REALM_NAME is now/] })
})

t.test('what an operator should read at each start', async (t) => {
  const warningsWith = (more: Environment): readonly string[] => loadConfig({ ...GIVEN, ...more }).warnings
  t.match(loadConfig({ ...GIVEN, AUDIENCE: '*' }), { audience: 'any', warnings: [/^AUDIENCE=\*/] })
  t.match(warningsWith({ AUDIENCE: 'test_api,account' }), [/^AUDIENCE=account/])
  t.match(
    warningsWith({ ISSUER: 'http://keycloak:8080/realms/x', PUBLIC_URL: 'http://api.example.com', ALLOW_INSECURE_HTTP: 'on' }),
    [/^ISSUER, JWKS_URL, PUBLIC_URL: plain http/]
  )
  t.match(warningsWith({ PUBLIC_URL: 'http://api.example.com' }), [/^PUBLIC_URL: plain http/], 'PUBLIC_URL is never an error for it')
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]']) {
    t.same(warningsWith({ ISSUER: `http://${host}:8080/realms/x` }), [], host)
  }
  t.match(warningsWith({ ISSUER: 'https://sso.example.com:443/realms/x' }), [/default port.*write https:\/\/sso\.example\.com\/realms\/x$/])
  t.match(warningsWith({ ISSUER: 'http://localhost:80/realms/x' }), [/default port.*write http:\/\/localhost\/realms\/x$/])
  t.same(warningsWith({ ISSUER: 'https://sso.example.com:4430/realms/x' }), [])
  t.match(
    warningsWith({ JWKS_URL: 'https://sso.example.com/realms/other/protocol/openid-connect/certs' }),
    [/JWKS_URL is of the realm "other", ISSUER of the realm "myorg".*key_unknown/]
  )
  t.same(warningsWith({
    ISSUER: 'https://sso.example.com/realms/my%20org',
    JWKS_URL: 'https://x.example/realms/my org'.replace(' ', '%20') + '/protocol/openid-connect/certs'
  }), [])
  t.same(warningsWith({ JWKS_URL: 'https://mirror.example.com/keys?v=1' }), [], 'another kind of address')
  const REDIS_URL = 'redis://:hunter2@redis.example.com'
  t.same(warningsWith({ REDIS_URL }), ['REDIS_URL is not used: RATE_LIMIT_PER_MINUTE is not set, and DPOP is off'])
  t.same(warningsWith({ REDIS_URL, RATE_LIMIT_PER_MINUTE: '1' }), [])
  t.same(warningsWith({ REDIS_URL, DPOP: 'allowed', PUBLIC_URL: 'https://api.example.com' }), [])
  for (const NODE_ENV of ['Production', 'prod', '"production"', 'production ', 'production\r', 'staging', 'Development']) {
    t.match(
      loadConfig({ ...GIVEN, NODE_ENV }),
      { production: true, warnings: [/^NODE_ENV=.* is treated as production/] },
      JSON.stringify(NODE_ENV)
    )
  }
  for (const NODE_ENV of ['development', 'test']) t.match(loadConfig({ ...GIVEN, NODE_ENV }), { production: false, warnings: [] })
})

t.test('errors: each with the name of the variable and what was expected', async (t) => {
  const cases: ReadonlyArray<readonly [Environment, RegExp]> = [
    [{ NODE_ENV: 'production', AUDIENCE: 'a' }, /^ISSUER: required with NODE_ENV=production/],
    [{ AUDIENCE: 'a' }, /^ISSUER: required with AUDIENCE/],
    [{ ISSUER }, /^AUDIENCE: required with ISSUER/],
    [{ JWKS_URL: `${ISSUER}/certs` }, /^JWKS_URL: only together with ISSUER/],
    [{ ...GIVEN, ISSUER: 'sso.example.com' }, /^ISSUER: expected an address that begins with https:\/\/ or http:\/\/.*got "sso/],
    [{ ...GIVEN, ISSUER: 'ftp://sso.example.com' }, /^ISSUER: expected an address that begins/],
    [{ ...GIVEN, ISSUER: `${ISSUER}/` }, /^ISSUER: expected no slash at the end/],
    [{ ...GIVEN, ISSUER: 'https://u:p@sso.example.com/' }, /without a user name/],
    [{ ...GIVEN, ISSUER: `${ISSUER}?x=1` }, /without a query/],
    [{ ...GIVEN, ISSUER: `${ISSUER}#x` }, /without a fragment/],
    [{ ...GIVEN, ISSUER: 'https://sso.example.com/my org' }, /without spaces/],
    [{ ...GIVEN, JWKS_URL: 'https://sso.example.com' }, /^JWKS_URL: expected the path/],
    [{ ...GIVEN, PUBLIC_URL: 'api' }, /^PUBLIC_URL: expected an address/],
    [{ ...GIVEN, AUDIENCE: '*, x' }, /^AUDIENCE: \* stands alone/],
    [{ ...GIVEN, AUDIENCE: '* x' }, /^AUDIENCE: expected names without spaces/],
    [{ ...GIVEN, AUDIENCE: 'my api' }, /^AUDIENCE: expected names without spaces, got "my api"; several names are separated by commas/],
    [{ ...GIVEN, AUDIENCE: 'a;b' }, /^AUDIENCE: expected names separated by commas/],
    [{ ...GIVEN, AUDIENCE: '"test_api"' }, /^AUDIENCE: expected a value without quotes/],
    [{ ...GIVEN, AUDIENCE: 'a,"b",c' }, /^AUDIENCE: expected a name without quotes/],
    [{ ...GIVEN, AUDIENCE: '["a","b"]' }, /^AUDIENCE: expected a value without brackets/],
    [{ ...GIVEN, AUDIENCE: '${AUDIENCE}' }, /^AUDIENCE: expected a value in place of the placeholder/],
    [{ ...GIVEN, PORT: '"8080"' }, /^PORT: expected a value without quotes/],
    [{ ...GIVEN, LOG_LEVEL: '\'info\'' }, /^LOG_LEVEL: expected a value without quotes/],
    [{ ...GIVEN, HOST: '[::1]' }, /^HOST: expected a value without brackets/],
    [{ ...GIVEN, HOST: 'localhost:3000' }, /^HOST: expected a host name or an address to listen on, without a port/],
    [{ ...GIVEN, HOST: '{{ host }}' }, /^HOST: expected a value in place of/],
    [{ ...GIVEN, SERVICE_CLAIM: 'kind' }, /^SERVICE_CLAIM: expected name=value/],
    [{ ...GIVEN, SERVICE_CLAIM: '=x' }, /^SERVICE_CLAIM: expected name=value/],
    [{ ...GIVEN, SERVICE_CLAIM: 'kind=' }, /^SERVICE_CLAIM: expected name=value/],
    [{ ...GIVEN, SERVICE_CLAIM: 'kind = x' }, /^SERVICE_CLAIM: expected name=value.*without spaces/],
    [{ ...GIVEN, SERVICE_CLAIM: 'typ=Bearer' }, /^SERVICE_CLAIM: typ does not prove a service/],
    [{ ...GIVEN, CORS_ORIGINS: '*' }, /^CORS_ORIGINS: \* is not accepted/],
    [{ ...GIVEN, CORS_ORIGINS: 'https://*.example.com' }, /^CORS_ORIGINS: "https:\/\/\*\.example\.com" has a \*, and origins are compared exactly/],
    [{ ...GIVEN, CORS_ORIGINS: 'null' }, /^CORS_ORIGINS: null is not accepted/],
    [{ ...GIVEN, CORS_ORIGINS: 'app.example.com' }, /^CORS_ORIGINS: expected origins such as/],
    [{ ...GIVEN, CORS_ORIGINS: 'https://a.example https://b.example' }, /^CORS_ORIGINS: expected origins such as.*separated by commas/],
    [{ ...GIVEN, CORS_ORIGINS: 'https://app.example.com/' }, /^CORS_ORIGINS: expected https:\/\/app\.example\.com, as browsers send it/],
    [{ ...GIVEN, CORS_ORIGINS: 'https://App.example.com:443' }, /^CORS_ORIGINS: expected https:\/\/app\.example\.com,/],
    [{ ...GIVEN, ALLOW_INSECURE_HTTP: 'true' }, /^ALLOW_INSECURE_HTTP: expected on, or not set, got "true"/],
    [{ ...GIVEN, USE_ENV_PROXY: '1' }, /^USE_ENV_PROXY: expected on, or not set/],
    [{ ...GIVEN, KEYS_FETCH_TIMEOUT_SECONDS: '31' }, /^KEYS_FETCH_TIMEOUT_SECONDS: expected a whole number from 1 to 30/],
    [{ ...GIVEN, MAX_TOKEN_BYTES: '1023' }, /^MAX_TOKEN_BYTES: expected a whole number from 1024 to 60000/],
    [{ DEVELOPMENT_ISSUER_PORT: '50100' }, /^DEVELOPMENT_ISSUER_PORT: expected another port than PORT/],
    [
      { ...GIVEN, JWKS_URL: 'http://keycloak:8080/realms/x/protocol/openid-connect/certs' },
      /^JWKS_URL: expected an address that begins with https.*ALLOW_INSECURE_HTTP=on accepts it/
    ],
    [{ ...GIVEN, JWKS_URL: ISSUER }, /^JWKS_URL: expected the address of the key set/],
    [{ ...GIVEN, JWKS_URL: `${ISSUER}/.well-known/openid-configuration` }, /^JWKS_URL: expected the address of the key set \(jwks_uri\)/],
    [{ ...GIVEN, JWKS_URL: `${ISSUER}/protocol/openid-connect/token` }, /^JWKS_URL: expected the address of the key set/],
    [{ ...GIVEN, AUDIENCE: ',' }, /^AUDIENCE: expected at least one name/],
    [{ ...GIVEN, ALGORITHMS: 'RS256 HS256' }, /^ALGORITHMS: .*asymmetric only/],
    [{ ...GIVEN, ALGORITHMS: ',' }, /^ALGORITHMS/],
    [{ ...GIVEN, ALGORITHMS: 'none' }, /^ALGORITHMS/],
    [{ ...GIVEN, TOKEN_KIND: 'jwt' }, /^TOKEN_KIND: expected keycloak or at\+jwt, got "jwt"/],
    [{ ...GIVEN, CLOCK_TOLERANCE_SECONDS: '61' }, /^CLOCK_TOLERANCE_SECONDS: expected a whole number from 0 to 60, got "61"/],
    [{ ...GIVEN, PORT: 'abc' }, /^PORT: expected a whole number from 0 to 65535, got "abc"/],
    [{ ...GIVEN, PORT: '1.5' }, /^PORT/],
    [{ ...GIVEN, PORT: '0x50' }, /^PORT/],
    [{ ...GIVEN, KEYS_REFRESH_SECONDS: 'Infinity' }, /^KEYS_REFRESH_SECONDS: expected a whole number/],
    [{ ...GIVEN, TOKEN_CACHE_MB: '1e999' }, /^TOKEN_CACHE_MB/],
    [{ ...GIVEN, TRUST_PROXY: '0.0.0.0/0' }, /^TRUST_PROXY/],
    [{ ...GIVEN, PUBLIC_URL: 'https://a.example/:x' }, /^PUBLIC_URL: expected a path/],
    [{ ...GIVEN, LOG_LEVEL: 'loud' }, /^LOG_LEVEL: expected fatal, error/],
    [{ ...GIVEN, CHALLENGE_REALM: 'a"b' }, /^CHALLENGE_REALM/],
    [{ ...GIVEN, TRUST_PROXY: '1' }, /^TRUST_PROXY/],
    [{ ...GIVEN, TRUST_PROXY: '10.0.0.0/33' }, /^TRUST_PROXY/],
    [{ ...GIVEN, TRUST_PROXY: '10.0.0.0/8/8' }, /^TRUST_PROXY/],
    [{ ...GIVEN, TRUST_PROXY: '::1/129' }, /^TRUST_PROXY/]
  ]
  for (const [environment, fault] of cases) t.match(problemsOf(environment), [fault], String(fault))
})

t.test('all errors are reported at once', async (t) => {
  const problems = problemsOf({ ISSUER: 'x', PORT: 'abc', LOG_LEVEL: 'loud', ALGORITHMS: 'none' })
  t.same(problems.map((problem) => problem.split(':')[0]).sort(), ['ALGORITHMS', 'AUDIENCE', 'ISSUER', 'LOG_LEVEL', 'PORT'])
  t.match(problemsOf({ NODE_ENV: 'production' }), [/^ISSUER: required/, /^AUDIENCE: required/], 'ISSUER and AUDIENCE together')
  t.throws(() => loadConfig({ PORT: 'x', NODE_ENV: 'production' }), /3 errors in the configuration[^]*PORT[^]*ISSUER[^]*AUDIENCE/)
  t.throws(() => loadConfig({ PORT: 'x'.repeat(100) }), /an error in the configuration[^]*x{60}…/)
})

t.test('an address of something else than the issuer: what to write instead', async (t) => {
  const cases: ReadonlyArray<readonly [string, string]> = [
    [`${ISSUER}/.well-known/openid-configuration`, ISSUER],
    ['https://sso.example.com/.well-known/oauth-authorization-server/realms/myorg', ISSUER],
    [`${ISSUER}/protocol/openid-connect/certs`, ISSUER],
    [`${ISSUER}/protocol/openid-connect/token`, ISSUER],
    [`${ISSUER}/protocol/openid-connect`, ISSUER],
    [`${ISSUER}/account/`, ISSUER],
    ['https://sso.example.com/admin/master/console/#/myorg/clients', ISSUER],
    ['https://sso.example.com/admin/master/console/', 'https://sso.example.com/realms/<realm>'],
    ['https://sso.example.com/admin/realms/myorg', ISSUER],
    ['https://sso.example.com/auth/admin/myorg/console/#/myorg', 'https://sso.example.com/auth/realms/myorg'],
    ['https://sso.example.com/auth/realms', 'https://sso.example.com/auth/realms/<realm>'],
    ['https://tenant.example.com/oauth/token', 'the issuer itself'],
    ['https://tenant.example.com/.well-known/jwks.json', 'the issuer itself'],
    ['https://sso.example.com//realms/myorg', 'one slash before realms']
  ]
  for (const [address, issuer] of cases) {
    t.match(problemsOf({ ...GIVEN, ISSUER: address }), [new RegExp(`^ISSUER: expected .*${issuer}(?:,|$)`)], address)
  }
  for (const address of ['https://example.com', 'https://example.com/', 'https://example.com/oauth2/default', 'https://example.com/auth']) {
    t.same(problemsOf({ ...GIVEN, ISSUER: address }), [], address)
  }
})

t.test('what may be a secret is in no sentence', async (t) => {
  const values = [
    'hunter2-secret', 'https://u:hunter2@sso.example.com', 'https://sso.example.com/?key=hunter2',
    'https://sso.example.com/#hunter2', '"hunter2"', '${SECRET:-hunter2}', 'https://${SECRET:-hunter2}/x', '<hunter2>',
    'https://sso.example.com/x hunter2@y'
  ]
  for (const value of values) {
    for (const name of ['ISSUER', 'JWKS_URL', 'PUBLIC_URL']) {
      const problems = problemsOf({ ...GIVEN, [name]: value })
      t.ok(name === 'JWKS_URL' || problems.length > 0, `${name} ${value}`)
      t.notMatch(problems.join(), /hunter2/)
    }
  }
})

t.test('a .env file stands behind the environment', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const before = process.env.PORT
  t.teardown(() => {
    rmSync(folder, { recursive: true })
    if (before === undefined) delete process.env.PORT
    else process.env.PORT = before
  })
  t.equal(readEnvironment(folder).ISSUER, process.env.ISSUER, 'no file')
  writeFileSync(join(folder, '.env'), `ISSUER=${ISSUER}\nAUDIENCE="test_api"\nPORT=1\nEMPTY=\n`)
  process.env.PORT = '2'
  t.match(readEnvironment(folder), { ISSUER, AUDIENCE: 'test_api', PORT: '2' })
  process.env.PORT = ''
  t.match(readEnvironment(folder), { PORT: '1' }, 'an empty variable does not hide the file')
  t.same(readSources(folder).fileNames, ['ISSUER', 'AUDIENCE', 'PORT'], 'the names that only the file sets')
  rmSync(join(folder, '.env'))
  t.throws(() => readEnvironment('/dev/null'), /\.env: cannot be read/)
})

t.test('the schema, .env.example and the table in docs/reference/configuration.md name the same ' +
  'variables with the same defaults', async (t) => {
  const presets = Object.fromEntries(Object.entries(ENVIRONMENT).map(([name, { preset }]) => [name, String(preset ?? '')]))
  const example: Record<string, string> = Object.fromEntries([...readFileSync('.env.example', 'utf8').matchAll(/^#?([A-Z_]+)=(.*)$/gm)]
    .map(([, name = '', value = '']) => [name, value]))
  const documented: Record<string, string> = Object.fromEntries([
    ...readFileSync('docs/reference/configuration.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \| ([^|]*) \|/gm)
  ].map(([, name = '', value = '']) => [name, value.replaceAll('`', '').replace('–', '').trim()]))
  t.same(example, presets)
  t.same(documented, presets)
})
