import { createHash, generateKeyPairSync } from 'node:crypto'
import type { JsonWebKey, KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { Agent, request } from 'undici'
import { main, printToken } from '../../src/cli/call-api.ts'
import { createClient } from '../../src/client/client.ts'
import type { Client, ClientOptions } from '../../src/client/client.ts'
import { readSettingFiles } from '../../src/config/setting-files.ts'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { myorg } from '../issuer/wire.ts'
import { startService } from '../support/service.ts'
import type { Service } from '../support/service.ts'
import { json, listen, story, tokens } from './fakes.ts'
import { proofOf, requires } from './proofs.ts'

const bound = { token_type: 'DPoP' }
const hashOf = (token: string): string => createHash('sha256').update(token).digest('base64url')
const ways = (client: Client, origin: string): ReadonlyArray<readonly [string, (path: string, method?: string) => Promise<number>]> => {
  const agent = new Agent()
  const dispatcher = agent.compose(client.interceptor())
  return [
    ['fetch', async (path, method = 'GET') => (await client.fetch(path, { method })).status],
    ['wrap', async (path, method = 'GET') => (await client.wrap()(`${origin}${path}`, { method })).status],
    ['interceptor', async (path, method = 'GET') => {
      const { statusCode, body } = await request(`${origin}${path}`, {
        method: method.toUpperCase() as 'GET', dispatcher, headers: { DPoP: 'mine', Authorization: 'mine' }
      })
      await body.dump()
      await agent.close()
      return statusCode
    }]
  ]
}

t.test('a proof for each request, with the key that never changes', async (t) => {
  const { client, api, issuer } = await story(t, { dpop: true })
  issuer.respond = tokens(bound)
  api.respond = json(200, {})
  for (const [name, call] of ways(client, api.url)) {
    api.seen.length = 0
    t.equal(await call('/a%2Fb?query=1', 'post'), 200, name)
    t.equal(api.seen[0]!.headers.authorization, 'DPoP token-1', name)
    const { header, claims } = proofOf(api.seen[0]!)
    t.same({ alg: header.alg, typ: header.typ }, { alg: 'ES256', typ: 'dpop+jwt' }, name)
    t.same(Object.keys(header.jwk).sort(), ['crv', 'kty', 'x', 'y'], `${name}: the public key only`)
    t.match(claims, { htm: 'POST', htu: `${api.url}/a%2Fb`, ath: hashOf('token-1') }, name)
    t.ok(Math.abs(Number(claims['iat']) - Date.now() / 1000) < 30, name)
    t.same(header.jwk, proofOf(issuer.seen[0]!).header.jwk, name)
  }
  const { claims } = proofOf(issuer.seen[0]!)
  t.match(claims, { htm: 'POST', htu: `${issuer.url}/token` })
  t.equal(claims['ath'], undefined)
  api.seen.length = 0
  await client.fetch('/')
  await client.fetch('/')
  t.not(proofOf(api.seen[0]!).claims['jti'], proofOf(api.seen[1]!).claims['jti'])
  t.equal(issuer.seen.length, 1)
})

t.test('a key of one\'s own: PEM, JWK and KeyObject', async (t) => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ed = generateKeyPairSync('ed25519').privateKey
  const keys: ReadonlyArray<readonly [string, NonNullable<Exclude<ClientOptions['dpop'], boolean>>['key'], string, JsonWebKey]> = [
    ['PEM', ec.export({ type: 'pkcs8', format: 'pem' }).toString(), 'ES256', ec.export({ format: 'jwk' })],
    ['JWK', rsa.export({ format: 'jwk' }), 'RS256', rsa.export({ format: 'jwk' })],
    ['KeyObject', ed, 'EdDSA', ed.export({ format: 'jwk' })]
  ]
  for (const [name, key, alg, { kty, x, n }] of keys) {
    const { client, api, issuer } = await story(t, { dpop: { key } })
    issuer.respond = tokens(bound)
    api.respond = json(200, {})
    await client.fetch('/')
    t.match(proofOf(api.seen[0]!).header, { alg, jwk: { kty, ...x !== undefined && { x }, ...n !== undefined && { n } } }, name)
    t.notOk(Object.hasOwn(proofOf(api.seen[0]!).header.jwk, 'd'), name)
  }
  const { privateKey: pss, publicKey } = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
  const wrong: readonly unknown[] = ['on', 1, null, {}, { key: 1 }, { key: 'no key' }, { key: publicKey }, { key: pss }]
  for (const dpop of wrong) {
    const options = {
      tokenEndpoint: 'https://a.example/token', clientId: 'a', clientSecret: 'b', apiUrl: 'https://b.example', dpop
    } as ClientOptions
    t.throws(() => createClient(options), { code: 'settings_invalid', problems: [{ option: 'dpop' }] })
  }
})

t.test('a key that no server accepts is reported at the start', (t) => {
  const jwkOf = (key: KeyObject): JsonWebKey => key.export({ format: 'jwk' })
  const ec = (): JsonWebKey => jwkOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
  const ed = (): JsonWebKey => jwkOf(generateKeyPairSync('ed25519').privateKey)
  const rsa = (bits: number, publicExponent?: number): JsonWebKey =>
    jwkOf(generateKeyPairSync('rsa', { modulusLength: bits, ...publicExponent !== undefined && { publicExponent } }).privateKey)
  const jwk = rsa(2048)
  const cases: ReadonlyArray<readonly [string, JsonWebKey, RegExp]> = [
    ['d of another EC key', { ...ec(), d: ec().d! }, /belong together/],
    ['x of another Ed25519 key', { ...ed(), x: ed().x! }, /belong together/],
    ['n of another RSA key', { ...jwk, n: rsa(2048).n! }, /belong together|can sign with/],
    ['e of another RSA key', { ...jwk, e: 'Aw' }, /belong together|can sign with/],
    ['1,024 bits', rsa(1024), /an RSA key of 2,048 bits or more/],
    ['more than 4,096 bits', rsa(4104), /an RSA key of 2,048 to 4,096 bits/]
  ]
  for (const [name, key, expected] of cases) {
    const options = { tokenEndpoint: 'https://a.example/token', clientId: 'a', clientSecret: 'b', apiUrl: 'https://b.example' }
    const start = (): Client => createClient({ ...options, dpop: { key } })
    t.throws(start, { code: 'settings_invalid', problems: [{ option: 'dpop', expected }] }, name)
  }
  t.end()
})

t.test('nonces: one more attempt, and then the newest is used; those of issuer and API are apart', async (t) => {
  const { client, api, issuer } = await story(t, { dpop: true })
  issuer.respond = requires('of-issuer', 400, tokens(bound))
  let nonce = 0
  for (const [name, call] of ways(client, api.url)) {
    api.respond = requires(`n-${++nonce}`, 401, json(200, {}, { 'dpop-nonce': 'newest' }))
    api.seen.length = 0
    t.equal(await call('/'), 200, name)
    t.equal(api.seen.length, 2, name)
    t.not(proofOf(api.seen[0]!).claims['jti'], proofOf(api.seen[1]!).claims['jti'], name)
    api.respond = requires('newest', 401, json(200, {}))
    t.equal((await client.fetch('/')).status, 200, `${name}: a nonce of a 200 is kept`)
    t.equal(api.seen.length, 3, name)
  }
  t.same(issuer.seen.map((seen) => proofOf(seen).claims['nonce']), [undefined, 'of-issuer'])

  api.respond = (response, seen) => requires(`always-${api.seen.length}`, 401, json(200, {}))(response, seen)
  for (const [name, call] of ways(client, api.url)) {
    api.seen.length = 0
    t.equal(await call('/'), 401, name)
    t.equal(api.seen.length, 2, `${name}: once only`)
  }
  api.respond = json(401, {}, { 'www-authenticate': 'DPoP error="use_dpop_nonce"' })
  for (const [name, call] of ways(client, api.url)) {
    api.seen.length = 0
    t.equal(await call('/'), 401, name)
    t.equal(api.seen.length, 1, `${name}: no nonce, no other attempt`)
  }
  api.respond = json(200, {}, { 'dpop-nonce': 'not "a" nonce' })
  await client.fetch('/')
  await client.fetch('/')
  t.equal(proofOf(api.seen.at(-1)!).claims['nonce'], 'always-2')

  const unwilling = await story(t, { dpop: true })
  unwilling.issuer.respond = (response, seen) => requires(`other-${unwilling.issuer.seen.length}`, 400, tokens(bound))(response, seen)
  await t.rejects(unwilling.client.token(), { code: 'request_refused', message: /use_dpop_nonce/ })
  t.equal(unwilling.issuer.seen.length, 2)
})

t.test('a body that can be sent once only is not sent again, and the nonce is there for the next', async (t) => {
  const { client, api, issuer } = await story(t, { dpop: true })
  issuer.respond = tokens(bound)
  api.respond = requires('one', 401, json(200, {}))
  t.equal((await client.fetch('/', { method: 'POST', body: new Blob(['x']).stream() })).status, 401)
  t.equal((await client.fetch('/', { method: 'POST', body: new Blob(['x']).stream() })).status, 200)
  t.equal(api.seen.length, 2)
})

t.test('APIs below one origin have each their nonce: taking turns costs no attempt, and a stream can be sent', async (t) => {
  const issuer = await listen(t, tokens(bound))
  const api = await listen(t, (response, seen) => requires(`of-${/^\/(\w+)/.exec(seen.path)?.[1]}`, 401, json(200, {}))(response, seen))
  for (const first of ['/a', '']) {
    const client = createClient({
      tokenEndpoint: `${issuer.url}/token`, clientId: 'a', clientSecret: 'b', apiUrl: [`${api.url}${first}`, `${api.url}/b`], dpop: true
    })
    t.teardown(() => client.close())
    const called = [`${api.url}/a/x`, `${api.url}/b/x`]
    const calls = ways(client, '').filter(([name]) => name !== 'interceptor')
    for (const [, call] of calls) for (const address of called) t.equal(await call(address), 200)
    api.seen.length = 0
    for (const [name, call] of calls) for (const address of [...called, ...called]) t.equal(await call(address), 200, name)
    t.equal(api.seen.length, 8, 'a request for each call')
    for (const address of called) t.equal((await client.fetch(address, { method: 'POST', body: new Blob(['x']).stream() })).status, 200)
    const dispatcher = new Agent().compose(client.interceptor())
    t.teardown(() => dispatcher.close())
    for (const address of called) {
      const { statusCode, body } = await request(address, { dispatcher })
      await body.dump()
      t.equal(statusCode, 200)
    }
    t.equal(api.seen.length, 12)
  }
})

t.test('challenges of DPoP: another token after invalid_token, another scope after insufficient_scope', async (t) => {
  const { client, api, issuer, clock } = await story(t, { dpop: true, stepUp: true })
  issuer.respond = tokens(bound)
  let good = 1
  for (const [name, call] of ways(client, api.url)) {
    clock.ms += 20_000
    good++
    api.respond = (response, seen) => (seen.headers.authorization === `DPoP token-${good}`
      ? json(200, {})
      : json(401, {}, { 'www-authenticate': 'DPoP error="invalid_token", Bearer realm="x"' }))(response, seen)
    t.equal(await call('/'), 200, name)
    t.equal(proofOf(api.seen.at(-1)!).claims['ath'], hashOf(`token-${good}`), name)
  }
  api.respond = (response, seen) => (seen.headers.authorization === 'DPoP token-5'
    ? json(200, {})
    : json(403, {}, { 'www-authenticate': 'DPoP error="insufficient_scope", scope="more"' }))(response, seen)
  t.equal((await client.fetch('/')).status, 200)
  t.equal(issuer.seen.at(-1)!.form.get('scope'), 'more')
})

t.test('the kind of the token must be the one that was requested', async (t) => {
  const bearer = await story(t, { dpop: true })
  await t.rejects(bearer.client.fetch('/'), { code: 'issuer_response_invalid', message: /not bound to the key/ })
  t.equal(bearer.api.seen.length, 0)
  const other = await story(t, { dpop: true })
  other.issuer.respond = tokens({ token_type: 'mac' })
  await t.rejects(other.client.token(), { message: /token_type is not DPoP/ })
  const without = await story(t, { dpop: false })
  without.issuer.respond = tokens(bound)
  await t.rejects(without.client.token(), { message: /set dpop/ })
  t.equal(without.issuer.seen[0]!.headers['dpop'], undefined)
})

/** Stands before the service, so that its public address is known before it starts. */
async function front (t: Test): Promise<{ readonly url: string, port: number }> {
  const passed = { url: '', port: 0 }
  const server = createServer((socket) => {
    const behind = connect(passed.port, 'localhost')
    socket.on('error', () => behind.destroy()).pipe(behind).on('error', () => socket.destroy()).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.close() })
  passed.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return passed
}

t.test('the development issuer and the service: required, with nonces; fetch, wrap, interceptor and the command line', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: myorg() })
  t.teardown(() => issuer.close())
  const folder = mkdtempSync(join(tmpdir(), 'dpop-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'nonce'), 'n'.repeat(40))
  const options = {
    tokenEndpoint: issuer.tokenEndpoint,
    clientId: 'test_api_client',
    clientSecret: 'test-api-client-demo-secret',
    scope: ['test_api_access']
  }
  for (const [DPOP, DPOP_NONCE] of [['allowed', 'off'], ['required', 'on']] as const) {
    const gateway = await front(t)
    const environment = {
      ISSUER: issuer.issuer, DPOP, PUBLIC_URL: gateway.url,
      ...DPOP_NONCE === 'on' && { DPOP_NONCE, DPOP_NONCE_SECRET_FILE: join(folder, 'nonce') }
    }
    const service: Service = await startService(t, { environment, files: readSettingFiles(environment) })
    gateway.port = Number(new URL(service.url).port)
    const client = createClient({ ...options, apiUrl: gateway.url, dpop: true })
    t.teardown(() => client.close())
    for (const [name, call] of ways(client, gateway.url)) t.equal(await call('/api/private-scoped?a=b'), 200, `${DPOP} ${name}`)
    const stolen = await fetch(`${gateway.url}/api/private-scoped`, { headers: { authorization: `Bearer ${await client.token()}` } })
    t.equal(stolen.status, 401, `${DPOP}: the token alone is of no use`)

    const env = { TOKEN_ENDPOINT: issuer.tokenEndpoint, API_URL: `${gateway.url}/api/private-scoped`, CLIENT_DPOP: 'on' }
    const said: string[] = []
    const output = { write: (text: string) => said.push(text) }
    t.equal(await main(env, output, output), 0, `${DPOP}: ${said.join('')}`)
    const bearer = createClient({ ...options, apiUrl: gateway.url })
    t.teardown(() => bearer.close())
    t.equal((await bearer.fetch('/api/private-scoped')).status, DPOP === 'required' ? 401 : 200)
  }
})

t.test('the command line: CLIENT_DPOP is on or not set, and a token alone would be of no use', async (t) => {
  const said: string[] = []
  const output = { write: (text: string) => said.push(text) }
  t.equal(await main({ CLIENT_DPOP: 'yes' }, output, output), 2)
  t.match(said.join(''), /CLIENT_DPOP: expected on, or not set/)
  said.length = 0
  t.equal(await printToken({ CLIENT_DPOP: 'on' }, output, output), 2)
  t.match(said.join(''), /CLIENT_DPOP: .*scopegate call/)
})
