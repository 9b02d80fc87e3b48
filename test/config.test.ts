import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError, ENVIRONMENT, loadConfig, readEnvironment, type Environment } from '../src/config.ts'

const ISSUER = 'https://sso.example.com/realms/myorg'
const GIVEN = { ISSUER, AUDIENCE: 'test_api' }

function faultsOf (environment: Environment): readonly string[] {
  try {
    loadConfig(environment)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

t.test('nothing set: the development issuer and the defaults', async (t) => {
  t.match(loadConfig({}), {
    developmentIssuer: true, issuer: 'http://localhost:8080/realms/myorg', audience: ['test_api'], algorithms: ['RS256'], tokenKind: 'keycloak', clockToleranceSeconds: 5,
    maxTokenLifetimeSeconds: 86_400, keysRefreshSeconds: 60, keysMaxStaleHours: 24, tokenCacheBytes: 32 * 1024 * 1024, realmName: 'scopegate', host: 'localhost', port: 50_100,
    logLevel: 'info', production: false, warnings: [], jwksUrl: 'http://localhost:8080/realms/myorg/protocol/openid-connect/certs'
  })
})

t.test('with an issuer', async (t) => {
  t.match(loadConfig(GIVEN), { developmentIssuer: false, issuer: ISSUER, jwksUrl: `${ISSUER}/protocol/openid-connect/certs`, audience: ['test_api'] })
  t.match(loadConfig({ ...GIVEN, ISSUER: 'https://example.com/' }), { issuer: 'https://example.com/', jwksUrl: 'https://example.com/protocol/openid-connect/certs' })
  t.match(loadConfig({ ...GIVEN, AUDIENCE: ' a,b  c, a', ALGORITHMS: 'ES256 EdDSA', TRUST_PROXY: '10.0.0.0/8, ::1 loopback' }),
    { audience: ['a', 'b', 'c'], algorithms: ['ES256', 'EdDSA'], trustProxy: ['10.0.0.0/8', '::1', 'loopback'] })
  t.match(loadConfig({ ...GIVEN, PORT: '0', CLOCK_TOLERANCE_SECONDS: '60', TOKEN_KIND: 'at+jwt', PUBLIC_URL: 'https://api.example.com/v1/', NODE_ENV: 'production' }),
    { port: 0, clockToleranceSeconds: 60, tokenKind: 'at+jwt', publicUrl: 'https://api.example.com/v1', production: true })
})

t.test('an empty value counts as not set', async (t) => {
  t.match(loadConfig({ ISSUER: '', AUDIENCE: ' ', PORT: '' }), { developmentIssuer: true, port: 50_100 })
})

t.test('what an operator should hear at each start', async (t) => {
  t.match(loadConfig({ ...GIVEN, AUDIENCE: '*' }), { audience: 'any', warnings: [/^AUDIENCE=\*/] })
  t.match(loadConfig({ ...GIVEN, ISSUER: 'http://keycloak:8080/realms/x', PUBLIC_URL: 'http://api.example.com' }).warnings, [/^ISSUER, JWKS_URL, PUBLIC_URL: plain http/])
  for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '[::1]', 'kc.localhost']) t.same(loadConfig({ ...GIVEN, ISSUER: `http://${host}:8080/realms/x` }).warnings, [], host)
})

t.test('faults: each with the name of the variable and what was expected', async (t) => {
  const cases: ReadonlyArray<readonly [Environment, RegExp]> = [
    [{ NODE_ENV: 'production' }, /^ISSUER: required with NODE_ENV=production/],
    [{ ISSUER }, /^AUDIENCE: required with ISSUER/],
    [{ JWKS_URL: `${ISSUER}/certs` }, /^JWKS_URL: only together with ISSUER/],
    [{ ...GIVEN, ISSUER: 'sso.example.com' }, /^ISSUER: expected an address that begins with https:\/\/ or http:\/\/, got "sso/],
    [{ ...GIVEN, ISSUER: 'ftp://sso.example.com' }, /^ISSUER: expected an address that begins/],
    [{ ...GIVEN, ISSUER: `${ISSUER}/` }, /^ISSUER: expected no slash at the end/],
    [{ ...GIVEN, ISSUER: 'https://u:p@sso.example.com/' }, /without a user name/],
    [{ ...GIVEN, ISSUER: `${ISSUER}?x=1` }, /without a query/],
    [{ ...GIVEN, ISSUER: `${ISSUER}#x` }, /without #/],
    [{ ...GIVEN, ISSUER: 'https://sso.example.com/my org' }, /without blanks/],
    [{ ...GIVEN, JWKS_URL: 'https://sso.example.com' }, /^JWKS_URL: expected the path/],
    [{ ...GIVEN, PUBLIC_URL: 'api' }, /^PUBLIC_URL: expected an address/],
    [{ ...GIVEN, AUDIENCE: '* x' }, /^AUDIENCE: \* stands alone/],
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
    [{ ...GIVEN, REALM_NAME: 'a"b' }, /^REALM_NAME/],
    [{ ...GIVEN, TRUST_PROXY: '1' }, /^TRUST_PROXY/],
    [{ ...GIVEN, TRUST_PROXY: '10.0.0.0/33' }, /^TRUST_PROXY/],
    [{ ...GIVEN, TRUST_PROXY: '10.0.0.0/8/8' }, /^TRUST_PROXY/],
    [{ ...GIVEN, TRUST_PROXY: '::1/129' }, /^TRUST_PROXY/]
  ]
  for (const [environment, fault] of cases) t.match(faultsOf(environment), [fault], String(fault))
})

t.test('all faults are told together', async (t) => {
  const faults = faultsOf({ ISSUER: 'x', PORT: 'abc', LOG_LEVEL: 'loud', ALGORITHMS: 'none' })
  t.same(faults.map((fault) => fault.split(':')[0]).sort(), ['ALGORITHMS', 'AUDIENCE', 'ISSUER', 'LOG_LEVEL', 'PORT'])
  t.throws(() => loadConfig({ PORT: 'x', NODE_ENV: 'production' }), /2 faults in the configuration[^]*PORT[^]*ISSUER/)
  t.throws(() => loadConfig({ PORT: 'x'.repeat(100) }), /a fault in the configuration[^]*x{60}…/)
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
  rmSync(join(folder, '.env'))
  t.throws(() => readEnvironment('/dev/null'), /\.env: cannot be read/)
})

t.test('the schema, .env.example and the table in the README name the same variables with the same defaults', async (t) => {
  const presets = Object.fromEntries(Object.entries(ENVIRONMENT.properties).map(([name, schema]) => [name, String((schema as { default?: string | number }).default ?? '')]))
  const example: Record<string, string> = Object.fromEntries([...readFileSync('.env.example', 'utf8').matchAll(/^#?([A-Z_]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]))
  const readme: Record<string, string> = Object.fromEntries([...readFileSync('README.md', 'utf8').matchAll(/^\| `([A-Z_]+)` \| ([^|]*) \|/gm)].map(([, name = '', value = '']) => [name, value.replaceAll('`', '').replace('–', '').trim()]))
  t.same(example, presets)
  t.same(readme, presets)
})
