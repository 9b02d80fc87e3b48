import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { readIssuersFile } from '../../src/config/issuers-file.ts'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { serve } from '../support/server-process.ts'
import { until } from '../support/service.ts'

const A = { issuer: 'https://sso.example.com/realms/a', audience: 'api' }
const B = { issuer: 'https://sso.example.com/realms/b', audience: ['api', 'other'], algorithms: ['ES256'], keysRefreshSeconds: 9 }

function problemsOf (issuersFile: string, environment: Readonly<Record<string, string>> = {}): readonly string[] {
  try {
    loadConfig({ ISSUERS_FILE: 'issuers.json', ...environment }, { issuersFile })
    return []
  } catch (error) {
    return error instanceof ConfigError ? error.problems : [String(error)]
  }
}

function fileFor (t: Test, text: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-issuers-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'issuers.json'), text)
  return join(folder, 'issuers.json')
}

t.test('several issuers, each over the defaults of the environment; it counts as a named issuer in production', async (t) => {
  const config = loadConfig(
    { ISSUERS_FILE: 'issuers.json', NODE_ENV: 'production', KEYS_REFRESH_SECONDS: '7' },
    { issuersFile: JSON.stringify([A, B]) }
  )
  t.match(config, { developmentIssuer: false, production: true, issuers: [
    { ...A, audience: ['api'], algorithms: ['RS256'], keysRefreshSeconds: 7 },
    { ...B, jwksUrl: `${B.issuer}/protocol/openid-connect/certs` }
  ] })
})

t.test('what is wrong with the file', async (t) => {
  t.match(problemsOf('[{'), [/^ISSUERS_FILE: expected a JSON array of issuers \(/])
  t.same(problemsOf('{}'), ['ISSUERS_FILE: expected an array of one or more issuers, { issuer, audience }'])
  t.same(problemsOf(JSON.stringify([A, B, A])), [`ISSUERS_FILE: expected each issuer once, got "${A.issuer}" twice`])
  t.match(
    problemsOf(JSON.stringify([{ ...A, audience: undefined }, { ...B, algorithms: ['HS256'] }])),
    [/^ISSUERS_FILE\[0\]\.audience: required/, /^ISSUERS_FILE\[1\]\.algorithms: /]
  )
  for (const [name, value] of [['ISSUER', A.issuer], ['AUDIENCE', 'api'], ['JWKS_URL', 'https://sso.example.com/keys']] as const) {
    t.ok(
      problemsOf(JSON.stringify([A]), { [name]: value }).includes(`${name}: not together with ISSUERS_FILE, which names the issuers`),
      name
    )
  }
})

t.test('a byte order mark is skipped; a missing file is a configuration error', async (t) => {
  t.same(JSON.parse(readIssuersFile(fileFor(t, `\uFEFF${JSON.stringify([A])}`))), [A])
  t.throws(() => readIssuersFile('/nowhere/issuers.json'), new ConfigError(['ISSUERS_FILE: /nowhere/issuers.json cannot be read (ENOENT)']))
})

t.test('a file in UTF-16, as PowerShell writes it, is read; one that is not text is a configuration error', async (t) => {
  t.same(JSON.parse(readIssuersFile(fileFor(t, Buffer.from(`\uFEFF${JSON.stringify([A])}`, 'utf16le')))), [A])
  const latin1 = fileFor(t, Buffer.from(JSON.stringify([{ ...A, audience: 'bücher' }]), 'latin1'))
  t.throws(() => readIssuersFile(latin1), new ConfigError([`ISSUERS_FILE: ${latin1} is not text in UTF-8 or UTF-16`]))
})

t.test('a process with two issuers, one of which is down: ready is 200 degraded, and its tokens get 503', async (t) => {
  const [up, down] = [await TestIssuer.start(newKey('ES256')), await TestIssuer.start(newKey('ES256'))]
  t.teardown(() => up.stop())
  await down.stop()
  const file = fileFor(t, JSON.stringify([up, down].map(({ issuer }) => ({ issuer, audience: 'test_api', algorithms: ['ES256'] }))))
  const server = serve(t, { ISSUERS_FILE: file, PORT: '0', NODE_ENV: 'production' })
  await until(() => /listening on/.test(server.out()) && up.fetches > 0 && /cannot be fetched/.test(server.out()), 50_000)
  const url = /listening on (http:\S+?)"/.exec(server.out())?.[1] ?? ''
  const statusFor = async (token: string): Promise<number> =>
    (await fetch(`${url}/api/private`, { headers: { authorization: `Bearer ${token}` } })).status
  t.equal(await statusFor(up.token()), 200)
  t.equal(await statusFor(down.token()), 503)
  t.equal(await statusFor(down.token({ iss: up.issuer })), 401, 'a key of the one under the name of the other')
  const ready = await fetch(`${url}/health/ready`)
  t.equal(ready.status, 200)
  t.match(await ready.json(), { status: 'degraded', conditions: { keys_missing_2: String } })
})
