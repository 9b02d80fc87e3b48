import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { runMigrate } from '../../src/cli/migrate.ts'
import { loadConfig } from '../../src/config.ts'

const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

function run (content: unknown, ...more: string[]): { code: number, out: string, err: string } {
  const file = join(folder, 'keycloak.json')
  writeFileSync(file, typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content))
  let out = ''
  let err = ''
  const code = runMigrate([file, ...more], { write: (text) => { out += text } }, { write: (text) => { err += text } })
  return { code, out, err }
}

const FILE = {
  realm: 'myorg', 'auth-server-url': 'https://sso.example.com/auth/', resource: 'test_api', 'ssl-required': 'external', 'bearer-only': true,
  'policy-enforcer': {}, credentials: { secret: 'hidden-value' }, odd: 1
}

t.test('a keycloak.json becomes settings that the service accepts, and no secret is printed', async (t) => {
  const { code, out, err } = run(FILE)
  t.same({ code, err }, { code: 0, err: '' })
  const env = Object.fromEntries([...out.matchAll(/^([A-Z]+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]))
  t.match(loadConfig(env), { issuer: 'https://sso.example.com/auth/realms/myorg', audience: ['test_api'] })
  for (const note of [
    /audience mapper for test_api/, /since version 17/, /policy-enforcer: Permissions/, /bearer-only: .*no sessions/, /odd: not a setting/
  ]) t.match(out, note)
  t.notMatch(out, /hidden-value/)
  t.match(
    run({ realm: 'a b', 'auth-server-url': 'https://sso.example.com' }).out,
    /^ISSUER=https:\/\/sso\.example\.com\/realms\/a%20b\nAUDIENCE=<the name/m
  )
  t.notMatch(run({ ...FILE, '\u001b[2J': 1 }).out, /\u001b/)
})

t.test('files that are broken or foreign get a sentence', async (t) => {
  const cases: ReadonlyArray<readonly [content: unknown, message: RegExp]> = [
    ['{', /not JSON/], ['', /is empty/], [' \n', /is empty/], ['<EntityDescriptor/>', /XML or HTML.*format Keycloak OIDC JSON/],
    [Buffer.from([0x7b, 0xff, 0xfe]), /not text/], [Buffer.from('{}', 'utf16le'), /not text/],
    [' '.repeat(1024 * 1024 + 1), /larger than 1 MB/], ['['.repeat(1024 * 1024), /not JSON/],
    [{ ...FILE, realm: '${env.REALM}' }, /"realm" is a placeholder/],
    [{ ...FILE, realm: '\ud800' }, /"realm" contains a character that cannot be printed/],
    [{ ...FILE, resource: 'a\nISSUER=https://evil.example' }, /"resource" contains a character/],
    [{ ...FILE, resource: 'a,b' }, /comma or a quote/], [{ ...FILE, resource: 5 }, /no "resource"/],
    ['[]', /not an object/], ['null', /not an object/], [{ web: {} }, /another provider/], [{ clients: [] }, /export of a realm/],
    [{ realm: 'a' }, /no "auth-server-url"/], [{ realm: '', 'auth-server-url': 'x' }, /no "realm"/],
    [{ ...FILE, 'auth-server-url': '/auth' }, /expected an address/]
  ]
  for (const [content, message] of cases) t.match(run(content), { code: 1, out: '', err: message })
  t.match(run(FILE, 'more'), { code: 2, err: /scopegate migrate keycloak\.json/ })
  let out = ''
  t.equal(runMigrate(['--help'], { write: (text) => { out += text } }, { write: () => undefined }), 0)
  t.match(out, /keycloak\.json/)
  let err = ''
  for (const file of ['/no/such/file', folder]) {
    t.equal(runMigrate([file], { write: () => t.fail() }, { write: (text) => { err += text } }), 1)
  }
  t.match(err, /^The file cannot be read \(ENOENT\)\.\nThe file cannot be read \(EISDIR\)\.\n$/)
})

t.test('encodings of Windows, and names that a .env file would cut', async (t) => {
  const text = JSON.stringify({ ...FILE, resource: 'api #1' })
  const big = Buffer.from(`\ufeff${text}`, 'utf16le').swap16()
  for (const content of [text, `\ufeff${text}`, Buffer.from(`\ufeff${text}`, 'utf16le'), big]) {
    t.match(run(content), { code: 0, out: /^AUDIENCE='api #1'$/m })
  }
  t.match(run({ ...FILE, realm: 'it\'s' }).out, /^ISSUER="https:\/\/sso\.example\.com\/auth\/realms\/it's"$/m)
  const { out } = run(Object.fromEntries([
    ...Object.entries(FILE), ...Array.from({ length: 30 }, (_, at) => [`${at}${'x'.repeat(200)}`, 1])
  ]))
  t.match(out, /and 11 more/)
  t.notMatch(out, /x{100}/)
})
