// In a process of its own: it waits for time-outs.
import t from 'tap'
import { TrustedIssuers, type TrustedIssuer } from '../src/oauth/trusted-issuers.ts'
import { Unavailable } from '../src/oauth/errors.ts'
import { newKey, TestIssuer, type Behaviour, type Json } from './support/issuer.ts'
import { startService, until, type Service } from './support/service.ts'

const key = newKey('ES256')
const stranger = newKey('ES256')
const notFound: Behaviour = (_request, response) => {
  response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Realm does not exist"}')
}

/** A service whose issuer has no keys for it. */
async function withoutKeys (t: Parameters<typeof startService>[0], environment: Record<string, string> = {}): Promise<Service> {
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = notFound
  const service = await startService(t, { issuer, impatient: true, environment: { ALGORITHMS: 'ES256', ...environment } })
  await until(() => service.lines.some(({ msg }) => /protected routes respond 503/.test(String(msg))))
  return service
}

const now = (): number => Math.floor(Date.now() / 1000)
const lastLine = ({ lines }: Service): Json => lines.findLast(({ msg }) => msg === 'request') ?? {}

t.test('while no key is known, every token that can be decoded gets 503, whoever issued it and whatever it breaks', async (t) => {
  const service = await withoutKeys(t)
  const { issuer } = service
  const tokens: ReadonlyArray<readonly [name: string, token: string, detail: RegExp | undefined]> = [
    ['a good one', issuer.token(), undefined],
    [
      'of another issuer',
      issuer.token({ iss: 'https://sso.example.com/realms/other' }, {}, stranger),
      /^the token would be refused as well, issuer_mismatch: iss "https:\/\/sso/
    ],
    ['of another issuer, another algorithm', issuer.token({ iss: 'https://sso.example.com' }, { alg: 'RS256' }), /algorithm_not_allowed/],
    ['for another API', issuer.token({ aud: 'orders' }), /audience_mismatch: aud "orders"/],
    ['expired', issuer.token({ exp: now() - 600 }), /expired: exp/],
    ['an ID token', issuer.token({ typ: 'ID' }), /wrong_kind/],
    ['a refresh token', issuer.token({ typ: 'Refresh' }, { alg: 'HS512' }), /algorithm_not_allowed/],
    ['without a key id', issuer.token({}, { kid: undefined }), /as well, kid_missing/]
  ]
  for (const [name, token, detail] of tokens) {
    const refused = await service.get('/api/private', token)
    t.match(refused, { status: 503, challenge: '', body: { status: 503, detail: 'Tokens cannot be verified at the moment' } }, name)
    t.match(refused.headers.get('retry-after'), /^[1-6]$/, name)
    t.match(lastLine(service), { reason: 'issuer_unavailable', detail, hint: /The log line about the keys of http/ }, name)
  }
  t.match(
    service.lines.filter((line) => line.msg === 'request').at(1)?.hint,
    /names another issuer, https:\/\/sso\.example\.com\/realms\/other \(not verified\).*correct ISSUER/
  )
})

t.test('what is not a token stays the caller\'s mistake while no key is known', async (t) => {
  const service = await withoutKeys(t)
  const token = service.issuer.token()
  const cases: ReadonlyArray<readonly [authorization: string | undefined, status: number, reason: string]> = [
    [undefined, 401, 'credentials_missing'], ['Basic YTpi', 401, 'scheme_unsupported'], ['Bearer', 400, 'credentials_malformed'],
    [`Bearer ${token} x`, 400, 'credentials_malformed'],
    ['Bearer garbage', 401, 'not_three_parts'], ['Bearer a.b.c', 401, 'not_base64url'], ['Bearer YQ.YQ.YQ', 401, 'not_json_object'],
    [`Bearer ${token.replace('.', '.e30.')}`, 401, 'not_three_parts'], [`Bearer ${'x'.repeat(15_001)}`, 401, 'token_too_large']
  ]
  for (const [authorization, status, reason] of cases) {
    t.equal((await service.get('/api/private', undefined, authorization === undefined ? {} : { authorization })).status, status, reason)
    t.match(lastLine(service), { reason, status })
  }
  t.equal((await service.get('/api/public', token)).status, 200)
})

t.test('the state decides, not the history: with the first good key set the same tokens are 401, ' +
  'and 503 again when keys have expired', async (t) => {
  const service = await withoutKeys(t, { KEYS_REFRESH_SECONDS: '1', KEYS_MAX_STALE_HOURS: '0' })
  const foreign = service.issuer.token({ iss: 'https://sso.example.com/realms/other' }, {}, stranger)
  t.equal((await service.get('/api/private', foreign)).status, 503)
  service.issuer.behaviour = undefined
  await until(() => service.app.keyring.state().knownKeys > 0, 10_000)
  t.match(await service.get('/api/private', foreign), { status: 401, body: { error: 'invalid_token' } })
  t.equal(lastLine(service).reason, 'issuer_mismatch')
  service.issuer.behaviour = notFound
  await until(() => service.app.keyring.state().knownKeys === 0, 10_000)
  t.equal((await service.get('/api/private', foreign)).status, 503)
})

t.test('with several issuers: only while none of them has keys, and the soonest retry counts', async (t) => {
  const one = (issuer: string, seconds?: number): TrustedIssuer => ({
    issuer, audience: 'any', algorithms: ['ES256'], tokenKind: 'keycloak', clockToleranceSeconds: 5, maxTokenLifetimeSeconds: 1000,
    maxTokenBytes: 15_000,
    serviceClaim: undefined,
    keyring: {
      key: () => { throw new Unavailable('issuer_unavailable', 9) },
      refusalWithoutKeys: () => seconds === undefined ? undefined : new Unavailable('issuer_unavailable', seconds)
    }
  })
  t.match(new TrustedIssuers([one('a', 5), one('b', 2), one('c', 4)]).refusalWithoutKeys(), { statusCode: 503, retryAfterSeconds: 2 })
  t.equal(new TrustedIssuers([one('a', 5), one('b')]).refusalWithoutKeys(), undefined)
})

t.test('the first 404 of the keys is logged with what ISSUER probably is, and with the form of Keycloak\'s issuer', async (t) => {
  const cases: ReadonlyArray<readonly [path: string, jwksPath: string | undefined, hint: RegExp]> = [
    [
      '/realms/MyOrg',
      undefined,
      /<base>\/realms\/<realm>: check the realm's name \(upper and lower case differ\), or try http:\/\/localhost:\d+\/auth\/realms\/MyOrg \(Keycloak before 17\)/
    ],
    ['/auth/realms/myorg', undefined, /or try http:\/\/localhost:\d+\/realms\/myorg \(Keycloak 17 and later\)/],
    ['', undefined, /such as http:\/\/localhost:\d+\/realms\/myorg; ISSUER names no realm/],
    [
      '/realms/myorg',
      '/realms/wrong/protocol/openid-connect/certs',
      /JWKS_URL is that with \/protocol\/openid-connect\/certs: check JWKS_URL/
    ]
  ]
  for (const [path, jwksPath, hint] of cases) {
    const issuer = await TestIssuer.start(key)
    issuer.behaviour = notFound
    const { origin } = new URL(issuer.issuer)
    const environment = { ISSUER: origin + path, ...jwksPath !== undefined && { JWKS_URL: origin + jwksPath } }
    const service = await startService(t, { issuer, impatient: true, environment })
    const announced = (): Json[] => service.lines.filter(({ msg }) => /protected routes respond 503/.test(String(msg)))
    await until(() => announced().length > 0)
    t.match(announced(), [{ level: 50, error: 'status 404', msg: hint }], path)
    await until(() => issuer.fetches >= 3)
    t.equal(announced().length, 1, 'once, not at each retry')
  }
})
