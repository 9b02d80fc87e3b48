import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import Fastify, { type FastifyInstance } from 'fastify'
import { scopegate } from '../../plugins/scopegate.ts'
import { loadConfig } from '../../src/config.ts'
import { readSettingFiles } from '../../src/config/setting-files.ts'
import { Nonces, NONCE_STEP_SECONDS } from '../../src/oauth/dpop/nonces.ts'
import { MemoryReplays } from '../../src/oauth/dpop/replays.ts'
import { readOptions, type OptionsError } from '../../src/options/options.ts'
import { createCertificate, type Issued } from '../support/certificate-authority.ts'
import { boundTo, holder, proof, type ProofParts } from '../support/dpop.ts'
import { newKey, TestIssuer, type Json } from '../support/issuer.ts'
import { raw, statusOf } from '../support/raw.ts'
import { startService, type Service } from '../support/service.ts'

const PUBLIC_URL = 'https://api.example.com'
const SECRETS = ['0'.repeat(32), '1'.repeat(40)] as const
const owner = holder()
const key = newKey('ES256')
const folder = mkdtempSync(join(tmpdir(), 'bound-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const reasonIn = ({ lines }: Service): unknown => lines.findLast((line) => line.reason !== undefined)?.reason
const inFile = (name: string, text: string | Buffer): string => { writeFileSync(join(folder, name), text); return join(folder, name) }

const certificate = (name: string): Issued => createCertificate(folder, name)

/** What the service makes of the environment, its files read. */
const environmentOf = (variables: Record<string, string>): Parameters<typeof loadConfig> =>
  [{ ISSUER: 'https://sso.example.com/realms/a', AUDIENCE: 'test_api', ...variables }, { files: readSettingFiles(variables) }]

t.test('DPOP=required and a route that declares bound: only DPoP is offered, and only bound tokens are accepted', async (t) => {
  const required = await startService(t, { key, environment: { ALGORITHMS: 'ES256', DPOP: 'required', PUBLIC_URL } })
  t.match((await required.get('/api/private')).challenge, /^DPoP realm="scopegate", algs="[^"]+", resource_metadata="[^"]+"$/)
  t.equal((await required.get('/api/private', required.issuer.token())).status, 401)
  t.equal(reasonIn(required), 'binding_required')
  const token = required.issuer.token(boundTo(owner))
  const headers = (path: string): Record<string, string> => ({
    authorization: `DPoP ${token}`, dpop: proof(owner, { url: PUBLIC_URL + path, token })
  })
  t.equal((await required.get('/api/private', undefined, headers('/api/private'))).status, 200)
  t.match((await required.get('/.well-known/oauth-protected-resource')).body, { dpop_bound_access_tokens_required: true })

  const route = await startService(t, {
    key, environment: { ALGORITHMS: 'ES256', DPOP: 'allowed', PUBLIC_URL },
    prepare: (app) => app.get('/bound', { config: { auth: { scopes: [], bound: true } } }, () => 'ok')
  })
  t.equal((await route.get('/api/private', route.issuer.token())).status, 200)
  t.equal((await route.get('/bound', route.issuer.token())).status, 401)
  t.equal(reasonIn(route), 'binding_required')
  t.match((await route.get('/bound')).challenge, /^DPoP /)
  const other = route.issuer.token(boundTo(owner))
  t.equal((await route.get('/bound', undefined, {
    authorization: `DPoP ${other}`, dpop: proof(owner, { url: `${PUBLIC_URL}/bound`, token: other })
  })).status, 200)
  t.match(route.app.access.routes().find(({ url }) => url === '/bound'), { access: { bound: true } })
  t.match(JSON.stringify(route.app.openapi()), /bound to a key.*|DPoP header/)
})

t.test('a route that declares bound where no bound token is accepted stops the start', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scopegate, { issuer: 'https://sso.example.com/realms/a', audience: 'a', keys: { keys: [key.jwk] } })
  app.get('/bound', { config: { auth: { bound: true } } }, () => 'ok')
  await t.rejects(
    async () => { await app.ready() },
    { message: /GET \/bound: config\.auth\.bound requires bound tokens, and none are accepted: set DPOP=allowed/ }
  )
})

t.test('clientCertificate tls: a host whose server requests no certificate gets a warning', async (t) => {
  const { certFile, keyFile } = certificate('host')
  const own = { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  const hosts: ReadonlyArray<readonly [host: unknown, warning: RegExp | undefined]> = [
    [Fastify(), /^clientCertificate 'tls': the server speaks plain http, .*requestCert: true/],
    [Fastify({ https: own }), /^clientCertificate 'tls': the server does not request certificates, /],
    [Fastify({ http2: true, https: own }), /does not request certificates/],
    [Fastify({ https: { ...own, requestCert: true, rejectUnauthorized: false } }), undefined],
    [Fastify({ http2: true, https: { ...own, requestCert: true, rejectUnauthorized: false } }), undefined]
  ]
  for (const [host, expected] of hosts) {
    const app = host as FastifyInstance
    t.teardown(() => app.close())
    const warnings: string[] = []
    await app.register(scopegate, {
      issuer: 'https://sso.example.com/realms/a', audience: 'a', keys: { keys: [key.jwk] }, clientCertificate: 'tls',
      warn: (sentence: string) => warnings.push(sentence)
    })
    t.match(warnings, expected === undefined ? [] : [expected])
    t.equal(warnings.length, expected === undefined ? 0 : 1)
  }
})

t.test('nonces of the server: one retry, then the newest is used; turnover supplies it with a 200', async (t) => {
  // No step ends in the meantime.
  while (NONCE_STEP_SECONDS - Date.now() / 1000 % NONCE_STEP_SECONDS < 10) await new Promise((resolve) => setTimeout(resolve, 100))
  const file = inFile('nonce', `${SECRETS.join('\n')}\n`)
  const variables = { ALGORITHMS: 'ES256', DPOP: 'allowed', PUBLIC_URL, DPOP_NONCE: 'on', DPOP_NONCE_SECRET_FILE: file }
  const config = loadConfig(...environmentOf(variables))
  t.same(config.dpopNonceSecrets, SECRETS)
  const issuer = await TestIssuer.start(key)
  const app = Fastify()
  t.teardown(async () => { await app.close(); await issuer.stop() })
  await app.register(scopegate, {
    issuer: issuer.issuer, audience: 'test_api', algorithms: ['ES256'], dpop: 'allowed', publicUrl: PUBLIC_URL,
    dpopNonceSecrets: config.dpopNonceSecrets
  })
  app.get('/a', { config: { auth: { scopes: [] } } }, () => 'ok')
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  const token = issuer.token(boundTo(owner))
  const call = (claims: Json, parts: Partial<ProofParts> = {}): Promise<Response> =>
    fetch(
      `${url}/a`,
      { headers: { authorization: `DPoP ${token}`, dpop: proof(owner, { url: `${PUBLIC_URL}/a`, token, claims, ...parts }) } }
    )

  const jti = 'kept'
  const first = await call({ jti })
  t.equal(first.status, 401)
  t.match(first.headers.get('www-authenticate'), /^DPoP realm="scopegate", error="use_dpop_nonce"/)
  const nonce = first.headers.get('dpop-nonce') ?? ''
  const second = await call({ jti, nonce })
  t.equal(second.status, 200, 'a proof without a nonce has not used its jti')
  t.equal(second.headers.get('dpop-nonce'), null)

  const nowSeconds = Date.now() / 1000
  const audience = `${PUBLIC_URL}\nscopegate`
  const before = await call({ nonce: new Nonces([SECRETS[1]], audience).newest(nowSeconds - NONCE_STEP_SECONDS) })
  t.equal(before.status, 200, 'of the step before, and of the second secret')
  t.equal(before.headers.get('dpop-nonce'), new Nonces(SECRETS, audience).newest(Date.now() / 1000))
  const wrong: ReadonlyArray<readonly [name: string, nonce: string]> = [
    ['of another realm', new Nonces(SECRETS, `${PUBLIC_URL}\nother`).newest(nowSeconds)],
    ['of another API', new Nonces(SECRETS, 'https://other.example.com\nscopegate').newest(nowSeconds)],
    ['of another secret', new Nonces(['2'.repeat(32)], audience).newest(nowSeconds)],
    ['three steps old', new Nonces(SECRETS, audience).newest(nowSeconds - 3 * NONCE_STEP_SECONDS)],
    ['of far ahead', new Nonces(SECRETS, audience).newest(nowSeconds + 3 * NONCE_STEP_SECONDS)],
    ['of another length', 'x'], ['empty', '']
  ]
  for (const [name, nonce] of wrong) {
    const response = await call({ nonce })
    t.equal(response.status, 401, name)
    t.match(response.headers.get('www-authenticate'), /error="use_dpop_nonce"/, name)
    t.ok(response.headers.get('dpop-nonce'), name)
  }
})

t.test('the memory of used proofs is bounded, and full means 503 for proofs only', async (t) => {
  let nowMs = 0
  const replays = new MemoryReplays(2, () => nowMs, () => nowMs)
  t.equal(replays.firstUse('a'), true)
  t.equal(replays.firstUse('a'), false)
  t.equal(replays.firstUse('b'), true)
  t.throws(() => replays.firstUse('c'), { message: 'DPoP proofs cannot be checked at the moment' })
  nowMs = 90_001
  t.equal(replays.firstUse('c'), true, 'a proof that can no longer be used is forgotten')
  t.equal(replays.size, 1)
})

t.test('CLIENT_CERTIFICATE=tls: the certificate of the connection, its key proven by the handshake', async (t) => {
  const [server, client, thief] = [certificate('localhost'), certificate('client'), certificate('thief')]
  const variables = { ALGORITHMS: 'ES256', CLIENT_CERTIFICATE: 'tls', TLS_CERT_FILE: server.certFile, TLS_KEY_FILE: server.keyFile }
  const service = await startService(t, { key, environment: variables, files: readSettingFiles(variables) })
  const { port } = new URL(service.url)
  const call = (token: string, presented?: typeof client, headers = {}): Promise<number> => new Promise((resolve, reject) => {
    const material = presented && { cert: presented.cert, key: presented.key }
    httpsRequest({
      host: 'localhost', port, path: '/api/private', agent: false, ca: server.cert, ...material,
      headers: { authorization: `Bearer ${token}`, ...headers }
    }, (response) => { resolve(response.statusCode ?? 0); response.resume() }).on('error', reject).end()
  })
  const bound = service.issuer.token({ cnf: { 'x5t#S256': client.thumbprint } })
  t.equal(await call(bound, client), 200)
  t.equal(await call(bound), 401, 'a stolen token without the certificate')
  t.equal(reasonIn(service), 'certificate_missing')
  t.equal(await call(bound, thief), 401, 'a stolen token with another certificate')
  t.equal(reasonIn(service), 'certificate_mismatch')
  t.equal(
    await call(bound, undefined, { 'client-cert': `:${client.der.toString('base64')}:` }),
    401,
    'a certificate is public: no header counts'
  )
  t.equal(await call(service.issuer.token()), 200, 'a caller without a certificate, and a token that is not bound')
  t.equal(await call(bound, client), 200)
  await raw({ url: `http://localhost:${port}` }, 'GET / HTTP/1.1\r\n\r\n')
  t.equal(await call(bound, client), 200, 'plain http on the TLS port ends that connection only')
})

t.test('CLIENT_CERTIFICATE=header: one Client-Cert line of a trusted gateway', async (t) => {
  const client = certificate('behind')
  const value = `:${client.der.toString('base64')}:`
  const trusting = await startService(t, {
    key, environment: { ALGORITHMS: 'ES256', CLIENT_CERTIFICATE: 'header', TRUST_PROXY: 'loopback' }
  })
  const bound = trusting.issuer.token({ cnf: { 'x5t#S256': client.thumbprint } })
  const call = (service: Service, ...lines: string[]): Promise<number> => raw(service,
    `GET /api/private HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${bound}\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: ` +
    'close\r\n\r\n', 2_000).then(statusOf)
  t.equal(await call(trusting, `Client-Cert: ${value}`), 200)
  const wrong = [
    [], [`Client-Cert: ${value}`, `client-cert: ${value}`], ['Client-Cert: '], [`Client-Cert: ${value}, ${value}`],
    [`Client-Cert: ${value.slice(1, -1)}`], ['Client-Cert: :AAAA:'],
    [`Client-Cert: :${Buffer.concat([client.der, Buffer.from([0])]).toString('base64')}:`], [`Client-Cert-Chain: ${value}`]
  ]
  for (const lines of wrong) {
    t.equal(await call(trusting, ...lines), 401, lines.join(' ').slice(0, 60))
    t.equal(reasonIn(trusting), 'certificate_missing')
  }
  t.equal(await call(trusting, `Client-Cert: :${certificate('else').der.toString('base64')}:`), 401)
  t.equal(reasonIn(trusting), 'certificate_mismatch')

  const far = await startService(t, {
    issuer: await TestIssuer.start(key),
    environment: {
      ISSUER: trusting.issuer.issuer, ALGORITHMS: 'ES256', CLIENT_CERTIFICATE: 'header', TRUST_PROXY: '10.0.0.0/8 10.9.9.9 fe80::1'
    }
  })
  t.equal(await call(far, `Client-Cert: ${value}`, 'X-Forwarded-For: 10.0.0.7'), 401, 'the peer of the socket counts, not X-Forwarded-For')
  t.match(far.lines.findLast((line) => line.reason === 'certificate_missing'), { detail: /not from an address of TRUST_PROXY/ })
})

t.test('settings and options: each error says what to write, and shows no secret', (t) => {
  const problems = (variables: Record<string, string>): string => {
    try { loadConfig(...environmentOf(variables)) } catch (error) { return (error as Error).message }
    return ''
  }
  const base = { issuer: 'https://sso.example.com/realms/a', audience: 'a' }
  const optionProblems = (options: object): readonly string[] => {
    try { readOptions({ ...base, ...options }) } catch (error) { return (error as OptionsError).problems }
    return []
  }
  t.match(problems({ DPOP: 'allowed' }), /PUBLIC_URL: required with DPOP=allowed/)
  t.match(problems({ DPOP: 'yes' }), /DPOP: expected off, allowed or required/)
  t.match(problems({ DPOP_NONCE: 'on' }), /DPOP_NONCE: only together with DPOP[^]*DPOP_NONCE_SECRET_FILE: required with DPOP_NONCE=on/)
  t.match(
    problems({ DPOP: 'allowed', PUBLIC_URL, DPOP_NONCE_SECRET_FILE: inFile('unused', 'a'.repeat(32)) }),
    /^[^\n]*\n[^\n]*DPOP_NONCE_SECRET_FILE: only together with DPOP_NONCE=on$/
  )
  t.match(problems({ DPOP_NONCE_SECRET_FILE: join(folder, 'absent') }), /DPOP_NONCE_SECRET_FILE: .*absent cannot be read \(ENOENT\)/)
  for (const [n, text] of ['short-secret', '', `${'a'.repeat(32)}\nshort-secret`, 'a\nb\nc'].entries()) {
    const message = problems({ DPOP_NONCE_SECRET_FILE: inFile(`bad-${n}`, text) })
    t.match(message, /DPOP_NONCE_SECRET_FILE: expected a file with one or two secrets of at least 32 bytes/)
    t.notMatch(message, /short-secret/)
  }
  for (const [n, bytes] of [Buffer.alloc(11, 0xff), Buffer.alloc(64, 0xff), Buffer.from(`${'a'.repeat(40)}\0`)].entries()) {
    const file = inFile(`binary-${n}`, bytes)
    t.match(problems({ DPOP_NONCE_SECRET_FILE: file }), /at least 32 bytes.* is not text in UTF-8: encode random bytes in base64/)
    t.match(problems({ TLS_CERT_FILE: file }), /TLS_CERT_FILE: expected a file in PEM, and .*openssl x509 -inform DER/)
    t.match(problems({ TLS_KEY_FILE: file }), /TLS_KEY_FILE: expected a file in PEM, and .*openssl pkey -inform DER/)
  }
  const utf16 = Buffer.from(`\ufeff${'a'.repeat(31)}`, 'utf16le')
  t.match(problems({ DPOP_NONCE_SECRET_FILE: inFile('utf16', utf16) }), /at least 32 bytes/, 'the bytes of the text count')
  t.match(problems({ REDIS_URL: 'http://user:hunter2@redis' }), /REDIS_URL: expected the address of Redis(?!.*hunter2)/)
  for (const address of ['redis', 'redis://', 'redis://r/abc', 'redis://r/1.5', 'redis://r/-1', 'redis://r/0/1', 'redis://r/100000']) {
    t.match(problems({ REDIS_URL: address }), /REDIS_URL: expected the address of Redis/, address)
  }
  const unencoded = [
    'redis://u:p@s#hunter@r:6379', 'redis://r#', 'redis://u:12?hunter@r', 'redis://u:p/hunter@r', 'redis://u:1/hunter@r',
    'redis://r?commandTimeout=8000&hunter', 'redis://r/0?db=5&hunter', 'redis://r?family=6&hunter'
  ]
  for (const address of unencoded) {
    const message = problems({ REDIS_URL: address })
    t.match(message, /REDIS_URL: expected the address of Redis.*percent-encoded \(# is %23/, address)
    t.notMatch(message, /hunter/)
    t.match(optionProblems({ redisUrl: address }), [/^redisUrl: expected the address of Redis.*percent-encoded/])
  }
  const good = ['redis://u:p%23%2Fw@r', 'redis://r?family=6', 'redis://r', 'redis://r/', 'rediss://u:p@r:6380/15', 'redis://[::1]:6379/0']
  for (const address of good) {
    t.notMatch(problems({ REDIS_URL: address }), /REDIS_URL: expected/, address)
  }
  t.match(problems({ CLIENT_CERTIFICATE: 'header' }), /TRUST_PROXY: required with CLIENT_CERTIFICATE=header/)
  t.match(problems({ CLIENT_CERTIFICATE: 'tls' }), /TLS_CERT_FILE: required with CLIENT_CERTIFICATE=tls/)
  t.match(
    problems({ TLS_CERT_FILE: inFile('no.pem', 'x') }),
    /TLS_KEY_FILE: required with TLS_CERT_FILE[^]*TLS_CERT_FILE: expected a file in PEM/
  )
  t.match(problems({ TLS_KEY_FILE: join(folder, 'absent') }), /TLS_CERT_FILE: required with TLS_KEY_FILE/)

  t.match(optionProblems({
    dpop: 'on', dpopNonceSecrets: ['short-secret'], redisUrl: 'x', clientCertificate: 'header', trustProxy: ['gateway']
  }), [
    /^dpop: expected/, /^publicUrl: required/, /^dpopNonceSecrets: expected/, /^redisUrl: expected/, /^trustProxy\[0\]: expected .*gateway/
  ])
  for (const secret of ['\ufffd'.repeat(40), '\ud800'.repeat(40), 'a'.repeat(31)]) {
    t.match(optionProblems({ dpop: 'allowed', publicUrl: 'https://a.example', dpopNonceSecrets: [secret] }), [/^dpopNonceSecrets: expected/])
  }
  t.match(optionProblems({ dpopNonceSecrets: [], clientCertificate: 'x', trustProxy: 'loopback' }), [
    /^dpopNonceSecrets: only together/, /^clientCertificate: expected/, /^trustProxy: expected an array/
  ])
  t.match(optionProblems({ clientCertificate: 'header' }), [/^trustProxy: required/])
  t.end()
})
