import { readFileSync } from 'node:fs'
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { diagnose as diagnoseConnection } from '../../src/cli/doctor/connection.ts'
import { FetchError } from '../../src/http/bounded-fetch.ts'
import { parseRealm, startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { diagnose } from '../support/doctor.ts'
import { newKey, signTexts, TestIssuer, type Json } from '../support/issuer.ts'
import { json, listen, silentAddress } from '../client/fakes.ts'

const key = newKey()
const issuer = await TestIssuer.start(key)
t.teardown(() => issuer.stop())
const env = { ISSUER: issuer.issuer, AUDIENCE: 'test_api' }
const serve = (keys: unknown, document: Json = {}, headers: Record<string, string> = {}): void => {
  issuer.behaviour = (request, response) => {
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
    const isDiscovery = request.url?.endsWith('/openid-configuration') === true
    response.setHeader('content-type', 'application/json')
      .end(JSON.stringify(isDiscovery ? { issuer: issuer.issuer, scopes_supported: ['openid', 'test_api_access'], ...document } : { keys }))
  }
}
t.beforeEach(() => serve([key.jwk]))
const routes = ['--route', 'GET /api/private']

t.test('nothing is wrong: exit 0, each check by its name', async (t) => {
  const { exit, names } = await diagnose([], { env })
  t.equal(exit, 0)
  t.same(names('ok'), ['configuration', 'plain_http', 'issuer_reachable', 'discovery_issuer', 'keys', 'clock', 'scopes'])
  t.same(names('failed'), [])
})

t.test('a token on standard input, rule by rule, and never printed', async (t) => {
  const token = issuer.token()
  for (const input of [token, `${token}\n`, `Bearer ${token}`, JSON.stringify({ access_token: token, token_type: 'Bearer' }),
    `\ufeffbearer  ${token}\r\n`, Readable.from([Buffer.from(`\ufeff${token}\r\n`, 'utf16le')]),
    `> GET /api/private HTTP/1.1\n> Host: x\n> Authorization: Bearer ${token}\n>\n< HTTP/1.1 401\n< Authorization: none`]) {
    const { exit, out, err, token: verdict, names } = await diagnose(routes, { env, input })
    t.equal(exit, 0, err)
    t.match(verdict, { accepted: true })
    t.match(names('ok').join(' '), /header_not_allowed.*audience_mismatch.*lifetime_too_long key_unknown signature_invalid route$/)
    t.notMatch(out + err, token.split('.')[1]!)
  }
})

t.test('every problem of a token is listed; the first one is that of the service', async (t) => {
  const claims = { aud: 'account', exp: 100, scope: 'email' }
  const { exit, names, token, checks } = await diagnose([], { env, input: issuer.token(claims, { typ: 'dpop+jwt' }, newKey('ES256')) })
  t.equal(exit, 1)
  t.same(names(), ['algorithm_not_allowed', 'wrong_header_type', 'audience_mismatch', 'expired', 'scope_missing', 'scope_missing'])
  t.match(token, { accepted: false, reason: 'algorithm_not_allowed', status: 401 })
  t.match(checks()[2], { cause: 'aud "account"', fix: /Add mapper, By configuration, Audience, and choose test_api/ })
})

t.test('of another kind of token nothing is said that is true of access tokens only', async (t) => {
  const { names, token, checks } = await diagnose([], { env, input: issuer.token({ aud: 'a_client', typ: 'ID', scope: undefined }) })
  t.same(names(), ['wrong_kind'])
  t.match(token, { accepted: false, reason: 'wrong_kind' })
  t.match(checks('skipped'), [
    { name: 'audience_mismatch', cause: /its audience is the client/ }, { name: 'route', cause: /no claims of an access token/ }
  ])
})

t.test('key and signature', async (t) => {
  const forged = signTexts({ ...newKey(), kid: key.kid }, JSON.stringify(issuer.header()), JSON.stringify(issuer.claims()))
  t.same((await diagnose(routes, { env, input: forged })).names(), ['signature_invalid'])
  t.same((await diagnose(routes, { env, input: issuer.token({}, {}, newKey()) })).names(), ['key_unknown'])
  const ps = { ...env, ALGORITHMS: 'RS256 PS256' }
  t.same((await diagnose(routes, { env: ps, input: issuer.token({}, { alg: 'PS256' }) })).names(), ['algorithm_mismatch'])
  for (const alg of ['PS384', 'ES512', 'EdDSA']) {
    const other = newKey(alg)
    serve([other.jwk])
    const input = issuer.token({}, {}, other)
    t.match((await diagnose(routes, { env: { ...env, ALGORITHMS: alg }, input })).token, { accepted: true }, alg)
    t.same((await diagnose(routes, { env, input: issuer.token() })).names()[0], 'keys', 'no key for ALGORITHMS')
  }
})

t.test('the same realm under another name is told from another realm', async (t) => {
  const iss = issuer.issuer.replace('localhost', '127.0.0.1')
  const same = await diagnose(routes, { env, input: issuer.token({ iss }) })
  t.same(same.names(), ['issuer_mismatch'])
  t.match(same.checks()[0]?.fix, /another host name.*KC_HOSTNAME/)
  t.match(same.checks('ok').find(({ name }) => name === 'key_unknown')?.cause, /same realm under another name/)
  const other = await diagnose(routes, { env, input: issuer.token({ iss: `${issuer.issuer}2` }, {}, newKey()) })
  t.same(other.names(), ['issuer_mismatch'])
  t.same(other.names('skipped'), ['key_unknown', 'signature_invalid', 'route'])
})

t.test('without network: all rules but key and signature', async (t) => {
  const before = issuer.fetches
  const { exit, token, names, out } = await diagnose(
    ['--offline', ...routes],
    { env: { ...env, CLIENT_ID: 'a', CLIENT_SECRET: 'b' }, input: issuer.token() }
  )
  t.equal(issuer.fetches, before)
  t.equal(exit, 0)
  t.equal(token.accepted, undefined)
  t.same(names('skipped'), ['key_unknown', 'signature_invalid', 'route'])
  t.notMatch(out, /plain_http/)
  const text = await diagnose(['--offline', ...routes], { env, input: issuer.token(), json: false })
  t.match(text.out, /Whether the service accepts the token is not known/)
  t.same((await diagnose(['--offline'], { env, input: issuer.token({}, { kid: undefined }) })).names()[0], 'kid_missing')
})

t.test('what is not a token, and requests with a wrong header', async (t) => {
  const token = issuer.token()
  const cases: ReadonlyArray<readonly [input: string, name: string, fix: RegExp]> = [
    [`Authorization: Bearer ${token}\r\nauthorization: Bearer ${token}\r\n`, 'credentials_repeated', /adds a second one/],
    ['Authorization: Basic YTpi', 'scheme_unsupported', /Basic credentials/],
    [`"${token}"`, 'credentials_malformed', /quotes/],
    ['undefined', 'not_three_parts', /undefined or null/],
    ['{"error":"invalid_client"}', 'no_token', /Pass an access token, a token response/],
    ['{"error":"<b>"}', 'no_token', /./],
    ['{"access_token":', 'no_token', /./],
    [`${token}\n${token}\n`, 'no_token', /./],
    [`Bearer ${token}\r\nBearer ${token}`, 'no_token', /./],
    ['\0\u0001', 'no_token', /./],
    ['[1]', 'credentials_malformed', /./],
    ['{"access_token":"a b"}', 'credentials_malformed', /./]
  ]
  for (const [input, name, fix] of cases) {
    const { exit, names, checks, out } = await diagnose(['--offline', ...routes], { env, input })
    t.same({ exit, names: names() }, { exit: 1, names: [name] }, JSON.stringify(input.slice(0, 20)))
    t.match(checks()[0]?.fix ?? '', fix)
    t.notMatch(out, token.split('.')[1]!)
  }
  t.match((await diagnose(['--token-stdin', '--offline'], { env, json: false })).out, /Standard input is empty/)
})

t.test('claims only where they are requested, and no control character reaches the terminal', async (t) => {
  const wild = 'a\u001b[2J\u009b\u202e\nb'
  const input = issuer.token({ aud: wild, wild, [wild]: 1 })
  for (const args of [['--offline'], ['--offline', '--claims']]) {
    for (const asJson of [true, false]) {
      const { out } = await diagnose(args, { env, input, json: asJson })
      t.notMatch(out, /[^\x20-\x7E\n]/)
      t.equal(out.includes('"wild"'), args.includes('--claims'))
    }
  }
  t.match((await diagnose(['--offline', '--claims'], { env, input: 'a.b' })).token.decoded, 'the token cannot be decoded')
})

t.test('colour on a terminal only, and not with NO_COLOR', async (t) => {
  const onTerminal = async (more: Record<string, string>, isTTY: boolean): Promise<string> => {
    let out = ''
    await diagnose(
      ['--offline'],
      { env: { ...env, ...more }, json: false, input: issuer.token(), out: { write: (text) => { out += text }, isTTY } }
    )
    return out
  }
  t.match(await onTerminal({}, true), /\u001b\[32mok/)
  t.notMatch(await onTerminal({}, false), /\u001b/)
  t.notMatch(await onTerminal({ NO_COLOR: '1' }, true), /\u001b/)
})

t.test('a standard input that nobody writes to or closes does not hold the doctor; a terminal is not read', async (t) => {
  t.equal((await diagnose(['--offline'], { env, input: new PassThrough() })).exit, 0)
  t.equal((await diagnose(['--offline'], { env, input: Object.assign(new PassThrough(), { isTTY: true }) })).exit, 0)
  const long = 'x'.repeat(1024 * 1024)
  t.same((await diagnose(['--offline'], { env, input: `${long}${long}` })).names()[0], 'token_too_large')
})

t.test('usage: exit 2, and nothing that was given is repeated', async (t) => {
  const cases: ReadonlyArray<readonly [args: string[], message: RegExp]> = [
    [['--client-secret=hidden-value'], /does not belong on the command line/],
    [['hidden-value'], /A token is read from standard input/],
    [['--isuer', 'x'], /Unknown option '--isuer'/],
    [['--client-id', 'x'], /needs the secret/],
    [['--client-secret-file', '-'], /needs the id/],
    [['--client-id', 'x', '--client-secret-file', '/no/such/file'], /cannot be read \(ENOENT\)/],
    [['--route', '/no'], /Those are: GET \/api\/private, GET/],
    [['--access', 'README.md'], /not JSON/],
    [['--access', '/no/such'], /ENOENT/],
    [['--access', 'package.json'], /not an access matrix/]
  ]
  for (const [args, message] of cases) {
    const { exit, err, out } = await diagnose(args, { env, json: false })
    t.match({ exit, err, out }, { exit: 2, err: message, out: '' })
    t.notMatch(err, /hidden-value/)
  }
  t.match(await diagnose(['--route', '/api/private'], { env, ownRoutes: undefined, json: false }), { exit: 2, err: /--access/ })
  t.match(await diagnose(['--help'], { json: false }), { exit: 0, out: /--claims/ })
})

t.test('settings: errors by name, what can be reached is examined all the same, options instead of the environment', async (t) => {
  const wrong = await diagnose([], { env: { ISSUER: issuer.issuer, PORT: 'x' }, input: issuer.token({ aud: 'other' }) })
  t.same(wrong.names(), ['configuration', 'configuration', 'scope_missing', 'scope_missing'])
  t.match(wrong.names('ok').join(), /issuer_reachable/)
  t.equal(wrong.token.accepted, undefined)
  t.same((await diagnose([], { env: { ISSUER: 'nonsense', AUDIENCE: 'a' } })).names('ok'), [])
  t.match(
    (await diagnose([], { env: { ISSUER: 'https://<host>/realms/x', AUDIENCE: 'a' }, json: false })).out,
    /in place of the placeholder <\.\.\.>/
  )
  t.same((await diagnose([], { env: { ISSUER: 'nonsense', AUDIENCE: 'a' }, input: issuer.token() })).names('skipped'), ['token'])
  const given = await diagnose(
    ['--issuer', issuer.issuer, '--audience', 'other', '--jwks-url', issuer.jwksUrl, ...routes],
    { env: { ISSUERS_FILE: 'x', JWKS_URL: 'y' }, input: issuer.token({ aud: 'other' }) }
  )
  t.match(given.token, { accepted: true })
  t.match((await diagnose([], { ownRoutes: undefined })).checks()[0], { name: 'configuration', fix: /--issuer/ })
  t.match((await diagnose([], { env: { ...env, AUDIENCE: '*' }, input: issuer.token() })).names('warning'), ['configuration'])
  await t.rejects(diagnose([], { sources: () => { throw new Error('unexpected') } }), /unexpected/)
})

t.test('keys: why they are ignored', async (t) => {
  const weak = newKey('RS256', 'weak', 1024)
  const secret = { kty: 'oct', kid: 'secret', k: 'AAAA' }
  const members =
    [key.jwk, { ...key.jwk, kid: 'enc', use: 'enc' }, { ...key.jwk, kid: 'ops', key_ops: ['sign'] }, weak.jwk, secret, 5, { kty: 'RSA' },
      { ...key.jwk, kid: 'ps', alg: 'ES256' }, { kid: 'broken', kty: 'RSA', alg: 'RS256', n: 1, e: 2 }, { ...newKey('RS256', 'twice').jwk },
      { ...newKey('RS256', 'twice').jwk }]
  serve(members)
  const { checks } = await diagnose([], { env })
  const ignored = checks('ok').find(({ name }) => name === 'keys_ignored')?.title ?? ''
  for (const part of [
    /"enc" for another use \(use "enc"\)/, /"ops" key_ops/, /"weak" an RSA key outside of 2048/, /"secret" contains a private/,
    /absent not an object/, /absent without kid/, /"ps" unsupported: kty "RSA", crv absent, alg "ES256"/,
    /"broken" not a valid key/
  ]) t.match(ignored, part)
  t.match(checks('warning'), [{ name: 'keys_ambiguous' }])
  serve([secret])
  t.match((await diagnose([], { env })).checks(), [{ name: 'keys', cause: /without a usable signing key.* Ignored: "secret"/ }])
  issuer.behaviour = (_, response) => response.end('<html>')
  t.match((await diagnose([], { env })).names(), ['discovery_issuer', 'keys'])
  serve(Array.from({ length: 12 }, (_, at) => at === 0 ? key.jwk : { ...key.jwk, kid: `e${at}`, use: 'enc' }))
  t.match((await diagnose([], { env })).checks('ok').find(({ name }) => name === 'keys_ignored')?.title, /and 1 more/)
})

t.test('the clock, the scopes and the name of the issuer', async (t) => {
  const at = (ms: number): string => new Date(Date.now() + ms).toUTCString()
  serve([key.jwk], {}, { date: at(600_000) })
  t.match(
    (await diagnose([], { env })).checks(),
    [{ name: 'clock', code: 'issuer_clock_ahead', cause: /about (?:599|600|601) s ahead.*issued_in_future/ }]
  )
  serve([key.jwk], {}, { date: at(-600_000) })
  t.same((await diagnose([], { env })).names(), ['clock/issuer_clock_behind'])
  serve([key.jwk], {}, { date: at(-600_000), age: '600' })
  t.same((await diagnose([], { env })).names(), [], 'a response from a cache')
  serve([key.jwk], {}, { date: at(20_000) })
  t.match(
    (await diagnose([], { env: { ...env, CLOCK_TOLERANCE_SECONDS: '60' } })).checks('ok').find(({ name }) => name === 'clock')?.title,
    /about \d+ s/
  )
  serve([key.jwk], { scopes_supported: ['test_api_acces'] })
  t.match((await diagnose([], { env })).checks(), [{ name: 'scope_unknown', cause: /but "test_api_acces"/ }])
  serve([key.jwk], { scopes_supported: ['x'] })
  t.match((await diagnose([], { env })).checks(), [{ name: 'scope_unknown', cause: /contain it\.$/ }])
  serve([key.jwk], { scopes_supported: undefined })
  t.same((await diagnose([], { env })).names('skipped'), ['scopes'])
  t.same((await diagnose([], { env, ownRoutes: undefined })).names('skipped'), ['scopes'])
  t.match((await diagnose(routes, { env })).checks('ok').at(-1), { title: 'no route requires a scope' })
  serve([key.jwk], { issuer: issuer.issuer.replace('localhost', '127.0.0.1') })
  t.match((await diagnose([], { env })).checks(), [{ name: 'discovery_issuer', fix: /another host name/ }])
  serve([key.jwk])
  const slash = await diagnose([], { env: { ...env, ISSUER: `${issuer.issuer}/` } })
  t.match(slash.checks(), [{ name: 'configuration' }, { name: 'discovery_issuer', fix: /differs only in the slash at the end/ }])
  serve([key.jwk], { issuer: 'https://elsewhere.example' })
  t.match((await diagnose([], { env })).checks(), [{ name: 'discovery_issuer', fix: /set ISSUER to it/ }])
  const split = { ISSUER: 'https://sso.example.com/realms/test', AUDIENCE: 'test_api', JWKS_URL: issuer.jwksUrl }
  t.same((await diagnose([], { env: split })).names('warning'), ['discovery_issuer'])
})

t.test('an issuer whose responses have no Date, as Keycloak: the iat of a new token is compared', async (t) => {
  issuer.behaviour = (request, response) => {
    response.sendDate = false
    response.end(JSON.stringify(request.url?.endsWith('/certs') === true ? { keys: [key.jwk] } : { issuer: issuer.issuer }))
  }
  t.match(
    (await diagnose([], { env })).checks('skipped')[0],
    { name: 'clock', cause: /With CLIENT_ID and CLIENT_SECRET the doctor requests a token/ }
  )
  const endpoint = await listen(t, json(200, {}))
  const client = { ...env, TOKEN_ENDPOINT: `${endpoint.url}/token`, CLIENT_ID: 'a', CLIENT_SECRET: 'b' }
  const cases: ReadonlyArray<readonly [secondsAhead: number | undefined, failed: string[], ok: boolean]> = [
    [0, [], true], [undefined, [], false], [-3600, ['clock/issuer_clock_behind', 'expired'], false],
    [3600, ['clock/issuer_clock_ahead', 'issued_in_future'], false]
  ]
  for (const [ahead, failed, isOk] of cases) {
    const now = Math.floor(Date.now() / 1000) + (ahead ?? 0)
    endpoint.respond = json(200, {
      access_token: issuer.token({ iat: ahead === undefined ? undefined : now, exp: now + 300 }), token_type: 'Bearer'
    })
    const { names } = await diagnose(routes, { env: client })
    t.same(names(), failed, String(ahead))
    t.equal(names('ok').includes('clock'), isOk)
  }
})

t.test('an issuer that responds otherwise', async (t) => {
  const respond = (status: number, headers: Record<string, string> = {}): void => {
    issuer.behaviour = (_, response) => response.writeHead(status, headers).end('{}')
  }
  respond(404)
  t.match((await diagnose([], { env })).checks(), [
    { name: 'discovery_issuer', fix: /check the realm's name/ }, { name: 'keys', code: 'status_404' }
  ])
  respond(503)
  t.match((await diagnose([], { env })).names(), ['discovery_issuer', 'keys/status_503'])
  respond(302, { location: '/login' })
  t.match((await diagnose([], { env })).names(), ['issuer_reachable/redirect'])
  respond(200, { 'content-encoding': 'gzip' })
  t.match((await diagnose([], { env })).names(), ['issuer_reachable/response'])
  issuer.behaviour = (_, response) => response.socket?.destroy()
  t.match((await diagnose([], { env })).names(), ['issuer_reachable/closed'])
  issuer.behaviour = (request, response) => request.url?.endsWith('certs') === true
    ? response.writeHead(404).end() : response.end(JSON.stringify({ issuer: issuer.issuer, jwks_uri: `${issuer.issuer}/jwks.json` }))
  t.match(
    (await diagnose([], { env })).checks(),
    [{ name: 'keys', fix: `The discovery document names another address: set JWKS_URL=${issuer.issuer}/jwks.json` }]
  )
  issuer.behaviour = (request, response) =>
    request.url?.endsWith('certs') === true ? response.end(JSON.stringify({ keys: [key.jwk] })) : response.writeHead(404).end()
  t.match((await diagnose([], { env })).names('warning'), ['discovery_issuer'], 'the service does not need it')
})

const tcp = async (t: Test, onConnection: (socket: Socket) => unknown): Promise<number> => {
  const server: Server = createTcpServer((socket) => { socket.on('error', () => undefined); onConnection(socket) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  t.teardown(() => server.close())
  return port
}

t.test('why there is no connection', async (t) => {
  const nobody = await silentAddress()
  const place = new URL(nobody).host
  const at = (address: string, more: Record<string, string> = {}): ReturnType<typeof diagnose> =>
    diagnose([], { env: {
      ISSUER: `${address}/realms/test`, AUDIENCE: 'test_api', ALLOW_INSECURE_HTTP: 'on', KEYS_FETCH_TIMEOUT_SECONDS: '1', ...more
    } })
  const free = await tcp(t, (socket) => socket.destroy())
  const silent = await tcp(t, () => undefined)
  t.match((await at('http://no-such-host.invalid')).names(), ['issuer_reachable/dns'])
  t.match((await at(nobody)).names(), ['issuer_reachable/connection_refused'])
  t.match(
    (await at(`http://127.0.0.1:${silent}`)).checks(),
    [{ code: 'response_timeout', cause: /accepts the connection/, fix: /KEYS_FETCH_TIMEOUT_SECONDS/ }]
  )
  t.match((await at(`https://127.0.0.1:${new URL(issuer.issuer).port}`)).names(), ['issuer_reachable/no_tls'])
  t.match((await at(`http://127.0.0.1:${free}`)).names(), ['issuer_reachable/closed'])
  const proxied = { USE_ENV_PROXY: 'on', HTTP_PROXY: `http://user:secret@${place}` }
  const unused = await at(nobody, { HTTP_PROXY: proxied.HTTP_PROXY })
  t.match(unused.checks(), [{ code: 'connection_refused', fix: new RegExp(`the proxy ${nobody}, which is not used: USE_ENV_PROXY=on`) }])
  t.notMatch(unused.out, /secret/)
  t.match((await at(nobody, proxied)).checks(), [{ code: 'proxy_unreachable' }])
  for (const NO_PROXY of ['*', '127.0.0.1', place]) t.notMatch((await at(nobody, { HTTP_PROXY: nobody, NO_PROXY })).out, /is not used/)
})

t.test('no connection in time: whether somebody accepts it decides', async (t) => {
  const way = { proxies: { http: undefined, https: undefined, no: '', byNode: false }, usesProxies: false, timeoutMs: 1000 }
  const silent = `http://127.0.0.1:${await tcp(t, () => undefined)}/keys`
  for (const error of [new FetchError('deadline', 'late'), new FetchError('unreachable', 'late', 'UND_ERR_CONNECT_TIMEOUT')]) {
    t.match(
      await diagnoseConnection(`${await silentAddress()}/keys`, error, way),
      { code: 'connect_timeout', cause: /the packets are lost/, fix: /firewall/ }
    )
    t.match(await diagnoseConnection(silent, error, way), { code: 'response_timeout' })
  }
})

t.test('the development issuer is not running, and the caller on plain http', async (t) => {
  const none = await diagnose([], { env: { DEVELOPMENT_ISSUER_PORT: new URL(await silentAddress()).port } })
  t.match(none.checks(), [{ name: 'issuer_reachable', fix: /npm start/ }])
  t.same(none.checks('skipped').slice(-2).map(({ cause }) => cause), ['There is no response.', 'There is no discovery document.'])
  const far = await diagnose([], { env: { ISSUER: 'http://no-such-host.invalid/realms/x', AUDIENCE: 'a' } })
  t.match(far.names(), ['configuration', 'plain_http', 'issuer_reachable/dns'])
})

t.test('with the credentials of a client', async (t) => {
  const realm = JSON.parse(readFileSync('keycloak/myorg-realm.json', 'utf8')) as Json
  const own = await startDevelopmentIssuer({ realm: parseRealm(realm) })
  t.teardown(() => own.close())
  const settings = { ISSUER: own.issuer, AUDIENCE: 'test_api', CLIENT_ID: 'test_api_client', CLIENT_SECRET: 'test-api-client-demo-secret' }
  const all = await diagnose([], { env: { ...settings, SCOPE: 'test_api_access' } })
  t.match(all.token, { accepted: true })
  t.equal(all.exit, 0)
  t.notMatch(all.out, /demo-secret|eyJ/)
  const cases: ReadonlyArray<readonly [more: Record<string, string>, names: string[]]> = [
    [{}, ['scope_missing/scope_not_requested', 'scope_missing/scope_not_requested']],
    [
      { CLIENT_ID: 'test_other_client', CLIENT_SECRET: 'test-other-client-demo-secret' },
      ['scope_missing/scope_not_assigned', 'scope_missing/scope_not_assigned']
    ],
    [{ CLIENT_SECRET: 'wrong' }, ['credentials_refused']],
    [{ SCOPE: 'nonsense' }, ['scope_refused']],
    [{ SCOPE: 'a"b' }, ['settings_invalid']],
    [{ CLIENT_ID: 'test_dpop_client', CLIENT_SECRET: 'test-dpop-client-demo-secret' }, ['request_refused']],
    [
      { CLIENT_ID: 'test_dpop_client', CLIENT_SECRET: 'test-dpop-client-demo-secret', CLIENT_DPOP: 'on', SCOPE: 'test_api_access' },
      ['confirmation_unsupported']
    ],
    [{ CLIENT_DPOP: 'yes' }, ['settings_invalid']],
    [{ CLIENT_MTLS: 'yes' }, ['settings_invalid']],
    [{ TOKEN_ENDPOINT: `${await silentAddress()}/token` }, ['issuer_unreachable']],
    [
      { CLIENT_ID: 'test_stranger_client', CLIENT_SECRET: 'test-stranger-client-demo-secret' },
      ['audience_mismatch', 'scope_missing/scope_not_assigned', 'scope_missing/scope_not_assigned']
    ]
  ]
  for (const [more, names] of cases) {
    t.same((await diagnose([], { env: { ...settings, ...more } })).names(), names, JSON.stringify(Object.keys(more)))
  }
  const certificateRequired = await listen(
    t,
    json(400, { error: 'invalid_request', error_description: 'Client Certification missing for MTLS HoK Token Binding' })
  )
  const withoutCertificate = await diagnose([], { env: { ...settings, TOKEN_ENDPOINT: `${certificateRequired.url}/token` } })
  t.match(withoutCertificate.checks('failed').at(-1), { name: 'request_refused', fix: /^CLIENT_MTLS=on presents the certificate/ })
  const { CLIENT_SECRET, ...withoutSecret } = settings
  t.match(
    (await diagnose(['--client-secret-file', '-', ...routes], { env: withoutSecret, input: `${CLIENT_SECRET}\n` })).token,
    { accepted: true }
  )
  const binary = join(t.testdir({ binary: Buffer.from([0xff]) }), 'binary')
  for (const [file, input] of [['-', Readable.from([Buffer.from([0x73, 0xff])])], [binary, '']] as const) {
    t.match(await diagnose(['--client-secret-file', file], { env: withoutSecret, input, json: false }), {
      exit: 2, err: /--client-secret-file: (?:standard input|the file) is not text in UTF-8/
    })
  }
  t.match((await diagnose(['--client-secret-file', 'package.json', ...routes], { env: withoutSecret })).names(), ['settings_invalid'])
  const withMtls = {
    ...withoutSecret, CLIENT_MTLS: 'on', CLIENT_CERTIFICATE_FILE: 'package.json', CLIENT_CERTIFICATE_KEY_FILE: 'package.json'
  }
  t.match(
    (await diagnose(['--client-secret-file', '-', ...routes], { env: withMtls, input: CLIENT_SECRET })).checks('failed').at(-1),
    { cause: /CLIENT_MTLS: expected on/ }
  )
  t.same((await diagnose([], { env: { ...settings, ISSUER: 'nonsense' } })).names('skipped'), ['token_request'])
  t.match(
    (await diagnose([], { env: withoutSecret })).checks('skipped').at(-1),
    { name: 'token_request', cause: /CLIENT_ID is set, but no secret/ }
  )
  const { CLIENT_ID, ...withoutId } = settings
  t.match((await diagnose([], { env: withoutId })).checks('skipped').at(-1), { name: 'token_request', cause: /no CLIENT_ID/ }, CLIENT_ID)
  const file = join(t.testdir({ secret: `${CLIENT_SECRET}\n` }), 'secret')
  t.match(
    (await diagnose(routes, { env: { ...withoutSecret, CLIENT_SECRET_FILE: file } })).token,
    { accepted: true },
    'as scopegate call reads them'
  )
  t.match((await diagnose([], { env: { ...settings, CLIENT_SECRET_FILE: file } })).checks(), [{
    name: 'settings_invalid', cause: 'CLIENT_SECRET: expected CLIENT_SECRET or CLIENT_SECRET_FILE, not both.', fix: /Correct these settings/
  }])
  t.match(
    (await diagnose([], { env: { ...withoutSecret, CLIENT_SECRET_FILE: `${file}2` } })).checks(),
    [{ name: 'secret_unavailable', fix: /Correct the path/ }]
  )
})

t.test('a scope that is granted and not in the token', async (t) => {
  const token = issuer.token()
  const endpoint = await listen(t, json(200, { access_token: token, token_type: 'Bearer', expires_in: 300, scope: 'email' }))
  const client = { ...env, TOKEN_ENDPOINT: `${endpoint.url}/token`, CLIENT_ID: 'a', CLIENT_SECRET: 'b' }
  for (const SCOPE of ['', 'test_api_access']) {
    t.same(
      (await diagnose([], { env: { ...client, SCOPE } })).names(),
      ['scope_missing/scope_not_in_token', 'scope_missing/scope_not_in_token']
    )
  }
  t.equal(endpoint.seen.length, 3, 'one more request for a scope that was not requested, not for each route')
  endpoint.respond = (response, { form }) => form.has('scope')
    ? json(400, { error: 'invalid_scope' })(response, undefined as never)
    : json(200, { access_token: token, token_type: 'Bearer', scope: 'email' })(response, undefined as never)
  serve([key.jwk], { scopes_supported: ['email'] })
  t.same((await diagnose([], { env: client })).names(), ['scope_unknown', 'scope_missing/scope_unknown', 'scope_missing/scope_unknown'])
  endpoint.respond = (response, { form }) => form.has('scope')
    ? json(503, {})(response, undefined as never)
    : json(200, { access_token: token, token_type: 'Bearer' })(response, undefined as never)
  t.same((await diagnose([], { env: client })).names(), ['scope_unknown', 'scope_missing', 'scope_missing'])
})
