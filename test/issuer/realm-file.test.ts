import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import {
  firstCall, firstDpopCall, missingScopes, parseRealm, projectRealmFile, readProjectRealm, readRealmFile, RealmFileError
} from '../../src/issuer/development-issuer.ts'
import type { Realm } from '../../src/issuer/development-issuer.ts'

const folder = mkdtempSync(join(tmpdir(), 'scopegate-realm-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const file = join(folder, 'realm.json')
const REAL = readFileSync('keycloak/myorg-realm.json', 'utf8')

function refusal (text: string, read: (path: string) => Realm = readRealmFile): string {
  writeFileSync(file, text)
  try {
    read(file)
  } catch (error) {
    return error instanceof RealmFileError ? error.message.replaceAll(file, 'FILE') : `another error: ${String(error)}`
  }
  return 'no error'
}

t.test('a file that is not JSON: its name, line and column, and what is expected there', (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', 'Line 1, column 1: a value'],
    ['{\n  "realm": "myorg",\n}', 'Line 3, column 1: a name in double quotes'],
    ['{\n  "realm": "myorg"\n  "clients": []\n}', 'Line 3, column 3: a comma or }'],
    ['{"clients": [1 2]}', 'Line 1, column 16: a comma or ]'],
    ['{"clients": [1,\r\n\t]}', 'Line 2, column 2: a value'],
    ['{"realm" "myorg"}', 'Line 1, column 10: a colon'],
    ['{"realm": myorg}', 'Line 1, column 11: a value'],
    ['{"realm": TRUE}', 'Line 1, column 11: a value'],
    ['{"realm": "a\nb"}', 'Line 1, column 11: a value'],
    ['{"realm": "\\x"}', 'Line 1, column 11: a value'],
    ['{realm: "myorg"}', 'Line 1, column 2: a name in double quotes'],
    ['{"realm": "myorg"', 'Line 1, column 18: a comma or }'],
    ['{"realm": 01}', 'Line 1, column 12: a comma or }'],
    ['{"realm": "myorg"}\n// end', 'Line 2, column 1: the end of the file'],
    [REAL.replace('"enabled": true,', '"enabled": true'), 'Line 5, column 3: a comma or }']
  ]
  for (const [text, expected] of cases) {
    t.equal(refusal(text), `The realm file FILE is not JSON. ${expected} is expected.`, JSON.stringify(text.slice(0, 40)))
  }
  t.end()
})

t.test('members of the wrong shape: line, column and path of each', (t) => {
  const of = (text: string): string => refusal(text).replace('The realm file FILE cannot be used. ', '')
  t.equal(of('[]'), 'Line 1, column 1: must be an object.')
  t.equal(of('{}'), 'Line 1, column 1: realm must be there.')
  t.equal(of('{\n "realm": 7 }'), 'Line 2, column 11: realm must be text.')
  t.equal(of('{"realm": "r",\n "clients": [\n  {"secret": "x"},\n  {"clientId": "b", "attributes": {"a.b": [ ]}}]}'),
    'Line 3, column 3: clients[0].clientId must be there; Line 4, column 43: clients[1].attributes.a.b must be text.')
  t.end()
})

t.test('a file in UTF-16, as PowerShell writes it, is read; one that is not text is named', (t) => {
  writeFileSync(file, Buffer.from(`\uFEFF${REAL}`, 'utf16le'))
  t.strictSame(readRealmFile(file), parseRealm(JSON.parse(REAL)))
  writeFileSync(file, Buffer.from(REAL.replace('myorg', 'bücher'), 'latin1'))
  t.throws(() => readRealmFile(file), { name: 'RealmFileError', message: `The realm file ${file} is not text in UTF-8 or UTF-16.` })
  t.end()
})

t.test('a file that cannot be read, and one with a byte order mark', (t) => {
  t.throws(() => readRealmFile(join(folder, 'none.json')), { name: 'RealmFileError', message: /none\.json cannot be read: ENOENT/ })
  t.equal(refusal(`\uFEFF${REAL}`), 'no error')
  t.end()
})

t.test('the file of the project is found from the sources and can be used', (t) => {
  t.strictSame(readRealmFile(projectRealmFile()), parseRealm(JSON.parse(REAL)))
  t.strictSame(readProjectRealm(), parseRealm(JSON.parse(REAL)))
  t.end()
})

t.test('a scope that is named and not defined is an error of the development start', (t) => {
  const named = REAL.replace('"optionalClientScopes": ["test_api_access"]', '"optionalClientScopes": ["test_api_access", "reports:read"]')
  const line = named.slice(0, named.indexOf('"reports:read"')).split('\n').length
  t.equal(refusal(named, readRealmFile), 'no error', 'Keycloak imports it')
  t.match(refusal(named, readProjectRealm), new RegExp(
    '^The realm file FILE does not define every scope that it names\\. ' +
    `Line ${line}, column \\d+: client test_api_client names the scope reports:read\\. ` +
    'Add to "clientScopes": \\{ "name": "reports:read", "protocol": "openid-connect", "attributes": \\{ "include\\.in\\.token\\.scope": ' +
    '"true" \\} \\}$'))
  const realm = (more: object): string => refusal(JSON.stringify({ realm: 'r', ...more }), readProjectRealm)
  t.match(
    realm({ clientScopes: [], defaultDefaultClientScopes: ['a'], defaultOptionalClientScopes: ['b'] }),
    /column 62: the realm names the scope a; .*the realm names the scope b\./
  )
  t.equal(realm({
    defaultDefaultClientScopes: ['basic', 'role_list'], clients: [{ clientId: 'c', optionalClientScopes: ['phone', 'offline_access'] }]
  }), 'no error', 'built in')
  t.match(
    realm({ clientScopes: [], clients: [{ clientId: 'c', defaultClientScopes: ['basic'] }] }),
    /client c names the scope basic/,
    'a file with scopes has no built-in ones'
  )
  t.end()
})

t.test('the lines that a scope of the catalogue needs', (t) => {
  const realm = parseRealm(JSON.parse(REAL))
  t.strictSame(missingScopes(realm, ['test_api_access'], 'test_api_client'), [])
  const [both = ''] = missingScopes(realm, ['test_api_access', 'reports:read'], 'test_api_client')
  t.equal(both, `No token has the scope reports:read. Add to the realm file
  to "clientScopes": { "name": "reports:read", "protocol": "openid-connect", "attributes": { "include.in.token.scope": "true" } }
  to "optionalClientScopes" of test_api_client: "reports:read"`)
  const scope = (attributes?: Record<string, string>) => [{ name: 'reports:read', ...attributes && { attributes } }]
  const defined = { ...realm, clientScopes: scope() }
  t.match(missingScopes(defined, ['reports:read'], 'c')[0], /Add to the realm file\n {2}to "optionalClientScopes" of c: "reports:read"$/)
  const clients = [{ clientId: 'c', defaultClientScopes: ['reports:read'] }]
  t.strictSame(missingScopes({ ...defined, clients }, ['reports:read'], 'c'), [])
  t.match(missingScopes({ ...defined, clients, clientScopes: scope({ 'include.in.token.scope': 'false' }) }, ['reports:read'], 'c')[0],
    /Add to the realm file\n {2}to the "attributes" of this scope: "include\.in\.token\.scope": "true"$/)
  t.equal(missingScopes({ realm: 'r' }, ['x'], 'c').length, 1)
  t.strictSame(
    missingScopes({ ...defined, clients: [{ clientId: 'c', optionalClientScopes: ['reports:read'] }] }, ['reports:read'], 'c'),
    []
  )
  t.end()
})

t.test('the first call: the secret of the file, and an address of any issuer', (t) => {
  t.match(
    firstCall(parseRealm(JSON.parse(REAL)), 'http://i', 'http://a'),
    /curl -s http:\/\/i\/protocol\/openid-connect\/token .*client_secret=test-api-client-demo-secret -d scope=test_api_access .*\n {2}curl -i http:\/\/a\/api\/private-scoped/
  )
  t.equal(
    firstDpopCall('http://i', 'http://a'),
    '  TOKEN_ENDPOINT=http://i/protocol/openid-connect/token API_URL=http://a/api/private-scoped CLIENT_DPOP=on npm run client'
  )
  t.match(firstCall({ realm: 'r' }, 'http://i', 'http://a'), /client_id=test_api_client -d client_secret= -d scope/)
  t.match(firstCall({ realm: 'r', clients: [{ clientId: 'test_api_client' }] }, 'http://i', 'http://a'), /client_secret= -d/)
  t.end()
})
