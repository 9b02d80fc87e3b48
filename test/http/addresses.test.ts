import t from 'tap'
import { addressProblem, isInsecure, isLoopbackHost, valueProblem } from '../../src/http/addresses.ts'

t.test('one rule for loopback', async (t) => {
  for (const host of [
    'localhost', 'LOCALHOST', '127.0.0.1', '127.8.9.10', '::1', '[::1]', '::ffff:127.0.0.1', '[::ffff:7f00:1]', '0:0:0:0:0:0:0:1'
  ]) {
    t.ok(isLoopbackHost(host), host)
  }
  for (const host of [
    'kc.localhost', 'localhost.', 'localhost.example.com', '127.0.0.1.example.com', '127.1', '0.0.0.0', '::', '10.0.0.1',
    'keycloak', 'host.docker.internal', '[2001:db8::1]', '::ffff:10.0.0.1', ''
  ]) t.notOk(isLoopbackHost(host), host)
})

t.test('insecure is plain http to another host', async (t) => {
  for (const url of ['http://keycloak:8080/realms/x', 'http://host.docker.internal/', 'http://10.0.0.1/x', 'http://[2001:db8::1]/']) {
    t.ok(isInsecure(url), url)
  }
  for (const url of [
    'https://keycloak/realms/x', 'http://localhost:8080/x', 'http://127.1.2.3/', 'http://[::1]:1/', 'http://2130706433/'
  ]) t.notOk(isInsecure(new URL(url)), url)
})

t.test('addresses that can be used', async (t) => {
  for (const address of [
    'https://sso.example.com/realms/myorg', 'http://localhost:8080/realms/myorg', 'http://[::1]:8080', 'https://example.com/',
    'https://example.com/realms/m%C3%BCller%20x', 'https://example.com/a(b)'
  ]) t.equal(addressProblem(address), undefined, address)
  t.equal(addressProblem('http://keycloak:8080/x', { allowInsecureHttp: true }), undefined)
  t.equal(addressProblem('https://example.com/keys?v=1', { allowQuery: true }), undefined)
})

t.test('addresses that cannot be used: what is expected, and never the value', async (t) => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ['', /begins with https/], ['secret-host', /begins with https/], ['ftp://secret-host', /begins with https/],
    ['https:///secret-host', /begins with https/],
    ['HTTPS://secret-host', /begins with https/], ['https:secret-host', /begins with https/],
    ['https://secret-host:99999', /begins with https/],
    ['"https://secret-host"', /without quotes/], ['\'https://secret-host', /without quotes/], ['https://secret-host”', /without quotes/],
    ['[https://secret-host]', /without brackets/], ['<https://secret-host>', /without brackets/],
    ['https://${secret}/x', /placeholder \$\{…\}/], ['https://{{ secret }}/x', /placeholder \{\{…\}\}/],
    ['https://secret-host/realms/{realm}', /placeholder \{…\}/],
    ['https://<secret>/x', /placeholder <…>/], ['https://$(secret)/x', /placeholder \$\(…\)/], ['$secret/x', /placeholder \$…/],
    ['https://%secret%/x', /placeholder %…%/],
    ['https://__SECRET__/x', /placeholder __…__/],
    ['https://secret-host/a,https://secret-host/b', /one address/], ['https://secret-host/a http://secret-host/b', /one address/],
    ['https://secret-host/a\nhttps://secret-host/b', /one address/],
    ['https://secret-host/a b', /without spaces/], ['https://secret-host\n', /without spaces/],
    ['\uFEFFhttps://secret-host', /without spaces/],
    ['https://secret-host/\u200b', /invisible/], ['https:\\\\secret-host', /without backslashes/],
    ['https://secret:secret@secret-host', /without a user name or password/],
    ['https://secret@secret-host', /without a user name or password/],
    ['https://secret-host/#secret', /without a fragment/], ['https://secret-host#', /without a fragment/],
    ['https://secret-host/?secret', /without a query/],
    ['https://secret-host?', /without a query/], ['http://secret-host/x', /begins with https:\/\/, since/],
    ['http://secret.localhost/x', /begins with https/]
  ]
  for (const [address, expected] of cases) {
    const problem = addressProblem(address) ?? ''
    t.match(problem, expected, address)
    t.notMatch(problem, /secret/i, 'the value is not in the message')
  }
  t.match(addressProblem('http://keycloak/x', { insecureSwitch: 'ALLOW_INSECURE_HTTP=on' }), /; ALLOW_INSECURE_HTTP=on accepts it$/)
  t.match(addressProblem('http://keycloak/x#', { allowInsecureHttp: true, allowQuery: true }), /fragment/, 'the other rules hold')
})

t.test('names that cannot be meant', async (t) => {
  t.match(valueProblem('"test_api"', 'a name'), /^a name without quotes around it$/)
  t.match(valueProblem('["a","b"]', 'a name'), /^a name without brackets around it$/)
  t.match(valueProblem('${AUDIENCE:-x}', 'a name'), /^a name in place of the placeholder \$\{…\}$/)
  for (const name of ['test_api', 'api (v2)', 'urn:api:1', 'https://api.example.com/', 'it\'s', '100%']) {
    t.equal(valueProblem(name, 'a name'), undefined, name)
  }
})
