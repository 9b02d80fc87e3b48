import fc from 'fast-check'
import t, { type Test } from 'tap'
import { apiAt, targetOf } from '../../src/client/api-address.ts'
import { createClient, type Client } from '../../src/client/client.ts'
import { readSettings } from '../../src/client/settings.ts'
import { json, listen, SECRET, tokens } from './fakes.ts'

function clientFor (t: Test, addresses: { readonly tokenEndpoint: string, readonly apiUrl: string }): Client {
  const client = createClient({ clientId: 'one', clientSecret: SECRET, ...addresses })
  t.teardown(() => client.close())
  return client
}

const OUTSIDE = [
  '../x', '../../x', '/x', '/v1', '/v10/x', '%2e%2e/x', '%2E%2E%2Fx', '..%2fx', '..\\x', '%5c..%5c..%5cx', 'a/../../x', 'a/%2e%2e/%2e%2e/x',
  '%252e%252e/x', '..;/x', './/../../x',
  '//attacker.example/x', '/\\attacker.example/x', 'https://attacker.example/x', 'http://user@127.0.0.1/x'
]
const INSIDE: ReadonlyArray<readonly [path: string, sent: string]> = [
  ['orders', '/v1/api/orders'], ['/v1/api/orders', '/v1/api/orders'], ['a/../b', '/v1/api/b'], ['./c', '/v1/api/c'],
  ['d?to=../x', '/v1/api/d?to=../x'], ['e..f', '/v1/api/e..f'], ['', '/v1/api']
]

t.test('the path of apiUrl is a wall: nothing is sent beyond it, however it is spelt', async (t) => {
  const issuer = await listen(t, tokens())
  const api = await listen(t, json(200, { ok: true }))
  const client = clientFor(t, { tokenEndpoint: `${issuer.url}/token`, apiUrl: `${api.url}/v1/api` })
  for (const path of OUTSIDE) await t.rejects(client.fetch(path), { code: 'settings_invalid' }, path)
  t.equal(api.seen.length, 0)
  for (const [path, sent] of INSIDE) {
    t.equal((await client.fetch(path)).status, 200, path)
    t.equal(api.seen.at(-1)?.path, sent, path)
  }
})

t.test('an address that is accepted without a parser is what the parser makes of it', (t) => {
  const settingsOf = (...apiUrl: readonly string[]): ReturnType<typeof readSettings> =>
    readSettings({ tokenEndpoint: 'https://issuer.example/token', clientId: 'one', clientSecret: SECRET, apiUrl })
  const read = (path: string, { apis }: ReturnType<typeof readSettings>): readonly unknown[] => {
    const known = (address: string): string | undefined => apiAt(address, apis)?.url.href
    try {
      const { href, api } = targetOf(path, apis)
      return [href, new URL(href).href, api.url.href, known(href), known(path)]
    } catch {
      return ['refused', known(path), known(`https://api.example${path}`)]
    }
  }
  const parts = fc.constantFrom(
    '/', '//', '/v1/', 'v1', 'a', 'Z9_~-', '?', '=&', '.', '..', '%2e', ';', '\\', '@', ':', '#', ' ', '\n', 'é', 'https://api.example'
  )
  for (const apiUrl of ['https://api.example', 'https://api.example/v1', 'https://api.example/v1/']) {
    // With a second API every address is parsed.
    const [one, two] = [settingsOf(apiUrl), settingsOf(apiUrl, 'https://other.example')]
    fc.assert(fc.property(fc.array(parts, { maxLength: 6 }), (words) => {
      const path = words.join('')
      const [found, expected] = [read(path, one), read(path, two)]
      return JSON.stringify(found) === JSON.stringify(expected) && (found[0] === 'refused' || found[0] === found[1])
    }), { numRuns: 2000, seed: 20_261_127 })
  }
  t.pass('6,000 addresses')
  t.end()
})

t.test('a life below a second does not cause a token request for each call', async (t) => {
  for (const expiresIn of [0, 0.2, 0.9]) {
    const issuer = await listen(t, json(200, { access_token: 'a.b.c', token_type: 'Bearer', expires_in: expiresIn }))
    const api = await listen(t, json(200, { ok: true }))
    const client = clientFor(t, { tokenEndpoint: `${issuer.url}/token`, apiUrl: api.url })
    const statuses: unknown[] = []
    for (let call = 0; call < 20; call++) {
      statuses.push(await client.fetch('/x').then(({ status }) => status, (error: { code: unknown }) => error.code))
    }
    t.ok(
      issuer.seen.length <= 5,
      `expires_in ${expiresIn}: ${issuer.seen.length} token requests for 20 calls (${[...new Set(statuses)].join(', ')})`
    )
  }
})

t.test('Retry-After of the token endpoint, as a number and as a date: no request before it is over', async (t) => {
  for (const value of ['30', () => new Date(Date.now() + 30_000).toUTCString()]) {
    const issuer = await listen(
      t,
      (response) => response.writeHead(503, { 'retry-after': typeof value === 'string' ? value : value() }).end()
    )
    const api = await listen(t, json(200, {}))
    const client = clientFor(t, { tokenEndpoint: `${issuer.url}/token`, apiUrl: api.url })
    for (let call = 0; call < 5; call++) await t.rejects(client.fetch('/x'), { code: 'issuer_unreachable' })
    t.equal(issuer.seen.length, 1)
  }
})
