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
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
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
  for (const note of [/audience mapper for test_api/, /since version 17/, /policy-enforcer: Permissions/, /bearer-only: .*no sessions/, /odd: not a setting/]) t.match(out, note)
  t.notMatch(out, /hidden-value/)
  t.match(run({ realm: 'a b', 'auth-server-url': 'https://sso.example.com' }).out, /^ISSUER=https:\/\/sso\.example\.com\/realms\/a%20b\nAUDIENCE=<the name/m)
  t.notMatch(run({ ...FILE, '\u001b[2J': 1 }).out, /\u001b/)
})

t.test('files that are broken or foreign get a sentence', async (t) => {
  const cases: ReadonlyArray<readonly [content: unknown, message: RegExp]> = [
    ['{', /not JSON/], ['[]', /not an object/], ['null', /not an object/], [{ web: {} }, /another provider/], [{ clients: [] }, /export of a realm/],
    [{ realm: 'a' }, /no "auth-server-url"/], [{ realm: '', 'auth-server-url': 'x' }, /no "realm"/], [{ ...FILE, 'auth-server-url': '/auth' }, /expected an address/]
  ]
  for (const [content, message] of cases) t.match(run(content), { code: 1, out: '', err: message })
  t.match(run(FILE, 'more'), { code: 2, err: /scopegate migrate keycloak\.json/ })
  let out = ''
  t.equal(runMigrate(['--help'], { write: (text) => { out += text } }, { write: () => undefined }), 0)
  t.match(out, /keycloak\.json/)
  t.equal(runMigrate(['/no/such/file'], { write: () => undefined }, { write: () => undefined }), 1)
})
