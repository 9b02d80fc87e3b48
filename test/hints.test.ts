import t from 'tap'
import type { Reason } from '../src/oauth/reasons.ts'
import { newKey, signTexts, TestIssuer, type Json } from './support/issuer.ts'
import { startService, type Service } from './support/service.ts'

const key = newKey()
const SECRET = 'Zq8Xw3rT7vB1nM5kL9pA2sD4fG6hJ0yU'

/** Sends one request and gives its line in the log. */
async function lineOf (service: Service, authorization: string, path = '/api/private'): Promise<Json> {
  await service.get(path, undefined, { authorization })
  return service.lines.findLast((line) => line.msg === 'request') ?? {}
}

const CREDENTIALS: ReadonlyArray<readonly [authorization: string, reason: Reason, hint: RegExp]> = [
  ['Bearer undefined', 'not_three_parts', /undefined or null was sent.*token request of the caller failed/],
  ['Bearer null', 'not_three_parts', /token request of the caller failed/],
  ['Bearer NaN', 'not_three_parts', /token request of the caller failed/],
  ['Bearer None', 'not_three_parts', /token request of the caller failed/],
  ['Bearer [object Object]', 'credentials_malformed', /object was converted to text.*token request of the caller failed/],
  ['Bearer [object Promise]', 'credentials_malformed', /does not wait for the response/],
  ['Bearer', 'credentials_malformed', /Nothing follows the word Bearer: the token request of the caller failed/],
  ['Bearer ', 'credentials_malformed', /Nothing follows the word Bearer/],
  ['Bearer Bearer TOKEN', 'credentials_malformed', /Bearer is there twice/],
  ['Bearer bearer', 'not_three_parts', /Bearer is there twice/],
  ['Bearer "TOKEN"', 'credentials_malformed', /in quotes/],
  ['Bearer \'TOKEN\'', 'credentials_malformed', /in quotes/],
  ['Bearer\tTOKEN', 'credentials_malformed', /a tab is in the credentials/i],
  ['Bearer TOKEN,Bearer TOKEN', 'credentials_malformed', /joined two Authorization headers/],
  ['Bearer TOKEN TOKEN', 'credentials_malformed', /More than one word/],
  ['Bearer {"access_token":"TOKEN"}', 'credentials_malformed', /whole token response/],
  ['Bearer access_token=TOKEN', 'credentials_malformed', /token alone/],
  ['Bearer ${TOKEN}', 'credentials_malformed', /placeholder/],
  ['Bearer {{access_token}}', 'credentials_malformed', /placeholder/],
  ['Bearer <access token>', 'credentials_malformed', /placeholder/],
  ['Bearer eyJhbGciOi...', 'not_three_parts', /shortened for display/],
  ['Bearer a%2Eb%2Ec', 'credentials_malformed', /percent-encoded/],
  ['Bearer é', 'credentials_malformed', /Look for a tab, quotes/],
  [`Bearer ${SECRET}`, 'not_three_parts', /client secret.*access_token of the token response/],
  [`Bearer ${Buffer.from(`test_client:${SECRET}`).toString('base64')}`, 'not_three_parts', /Client id and secret, encoded as for Basic/],
  ['Bearer a.b', 'not_three_parts', /An opaque token, a truncated one/],
  [
    `Basic ${Buffer.from(`test_client:${SECRET}`).toString('base64')}`,
    'scheme_unsupported',
    /Basic credentials.*are for the token endpoint/
  ],
  ['DPoP TOKEN', 'scheme_unsupported', /does not check DPoP proofs.*Require DPoP bound tokens/],
  ['Token TOKEN', 'scheme_unsupported', /The scheme is "Token"\./],
  ['TOKEN', 'scheme_unsupported', /A token without a scheme/],
  [SECRET, 'scheme_unsupported', /A token without a scheme/],
  [`${SECRET} x`, 'scheme_unsupported', /A token without a scheme/]
]

t.test('credentials that are no token: the hint names the mistake of the caller, and nothing that was sent is in the log', async (t) => {
  const service = await startService(t, { key })
  const token = service.issuer.token()
  for (const [authorization, reason, hint] of CREDENTIALS) {
    t.match(await lineOf(service, authorization.replaceAll('TOKEN', token)), { reason, hint }, authorization)
  }
  const log = JSON.stringify(service.lines)
  for (const [name, sent] of Object.entries({ token, secret: SECRET, basic: Buffer.from(`test_client:${SECRET}`).toString('base64') })) {
    t.notOk(log.includes(sent), `no ${name} in the log`)
  }
})

t.test('Bearer and one or more spaces (RFC 6750 §2.1), and the token is verified once however it is spelt', async (t) => {
  const service = await startService(t, { key })
  const token = service.issuer.token()
  for (const scheme of ['Bearer  ', 'bearer ', 'BEARER     ', 'Bearer ']) {
    t.equal((await service.get('/api/private', undefined, { authorization: scheme + token })).status, 200, scheme)
  }
  t.match(service.app.verification.counts, { signatureChecks: 1, cacheHits: 3 })
})

type Case = readonly [name: string, token: (service: Service) => string, line: Json]

const now = (): number => Math.floor(Date.now() / 1000)
const twice = (name: string, member: string) => ({ issuer }: Service): string =>
  signTexts(
    key,
    JSON.stringify(issuer.header()),
    JSON.stringify(issuer.claims({ realm_access: { roles: ['a'] } })).replace(`"${name}":`, `${member},"${name}":`)
  )

const TOKENS: readonly Case[] = [
  ['a refresh token of Keycloak (HS512)', ({ issuer }) => issuer.token({ typ: 'Refresh' }, { alg: 'HS512' }),
    {
      reason: 'algorithm_not_allowed',
      detail: 'alg "HS512"',
      hint: /not an access token of this realm: Keycloak signs refresh tokens so.*not the refresh_token/
    }],
  [
    'HS256',
    ({ issuer }) => issuer.token({}, { alg: 'HS256' }),
    { hint: /not an access token of this realm: Keycloak signs refresh tokens so/ }
  ],
  [
    'an algorithm that can be allowed',
    ({ issuer }) => issuer.token({}, { alg: 'PS256' }),
    { hint: /ALGORITHMS is RS256\. If the realm signs access tokens with PS256 .*add PS256 to ALGORITHMS/ }
  ],
  ['an algorithm that cannot be allowed', ({ issuer }) => issuer.token({}, { alg: 'Ed25519' }), { hint: /Only the asymmetric algorithms/ }],
  ['a role mapper into realm_access.roles, Multivalued off', twice('roles', '"roles":"admin"'),
    {
      reason: 'duplicate_member',
      detail: 'payload realm_access.roles',
      hint: /Keycloak issues such a token when a role mapper writes "realm_access\.roles" once more.*switch Multivalued on/
    }],
  ['a hard-coded claim', twice('aud', '"aud":"x"'),
    {
      reason: 'duplicate_member',
      detail: 'payload aud',
      hint: /Keycloak can issue such a token.*mapper with the Token Claim Name "aud", such as a Hardcoded claim/
    }],
  ['a member twice within an array', twice('aud', '"x":[1,[],{"y":2},{"y":{"z":"\\\\","z" : 2}}]'), { detail: 'payload x.3.y.z' }],
  [
    'a header member twice',
    ({ issuer }) => signTexts(key, `{"kid":"x",${JSON.stringify(issuer.header()).slice(1)}`, '{}'),
    { detail: 'header kid', hint: /Keycloak never writes so/ }
  ],
  [
    'expired',
    ({ issuer }) => issuer.token({ exp: 1_767_225_600 }),
    { reason: 'expired', detail: /^exp 1767225600 \(2026-01-01T00:00:00Z\), \d+ s ago$/, hint: /It ended \d+ s ago\..*clocks/ }
  ],
  [
    'nbf ahead',
    ({ issuer }) => issuer.token({ nbf: now() + 600 }),
    {
      reason: 'not_yet_valid',
      detail: /^nbf \d+ \(20..-..-..T..:..:..Z\), in (?:600|599|598|597) s$/,
      hint: /It becomes valid in \d+ s\..*clocks/
    }
  ],
  [
    'iat ahead',
    ({ issuer }) => issuer.token({ iat: now() + 600 }),
    {
      reason: 'issued_in_future',
      detail: /^iat \d+ \(/,
      hint: /The clock of the issuer is ahead of the clock of this machine by \d+ s or more\./
    }
  ],
  [
    'exp too far away',
    ({ issuer }) => issuer.token({ exp: now() + 200_000 }),
    { reason: 'lifetime_too_long', detail: /, in \d+ s, the limit is 86400 s$/, hint: /exceeds the limit by \d+ s.*Access Token Lifespan/ }
  ],
  ['an ID token', ({ issuer }) => issuer.token({ typ: 'ID' }), { hint: /It is an ID token\. The caller must send the access_token/ }],
  ['a logout token', ({ issuer }) => issuer.token({ typ: 'Logout' }), { hint: /It is a logout token\./ }],
  ['a userinfo response', ({ issuer }) => issuer.token({ typ: undefined }), { hint: /no typ: a signed userinfo response/ }],
  ['a typ of somebody', ({ issuer }) => issuer.token({ typ: 'constructor' }), { hint: /Its typ is "constructor"/ }],
  ['bound to a DPoP key', ({ issuer }) => issuer.token({ cnf: { jkt: 'x' } }), { hint: /bound to a DPoP key/ }],
  ['bound to a certificate', ({ issuer }) => issuer.token({ cnf: { 'x5t#S256': 'x' } }), { hint: /bound to a client certificate/ }],
  [
    'an empty confirmation',
    ({ issuer }) => issuer.token({ cnf: {} }),
    { reason: 'confirmation_unsupported', detail: 'cnf []', hint: /remove a mapper that writes cnf/ }
  ],
  [
    'another API',
    ({ issuer }) => issuer.token({ aud: ['account', 'orders'] }),
    { detail: 'aud ["account","orders"]', hint: /choose test_api as Included Client Audience/ }
  ],
  [
    'longer than MAX_TOKEN_BYTES',
    ({ issuer }) => issuer.token({ x: 'x'.repeat(11_000) }),
    { reason: 'token_too_large', hint: /The limit is 15000 bytes/ }
  ]
]

t.test('hints of tokens that are refused: what the token is, and the place in Keycloak', async (t) => {
  const service = await startService(t, { key })
  for (const [name, token, line] of TOKENS) t.match(await lineOf(service, `Bearer ${token(service)}`), { status: 401, ...line }, name)
})

t.test('the hint of scope_missing says which scopes the token has', async (t) => {
  const service = await startService(t, { key })
  const hintFor = async (scope?: string): Promise<unknown> =>
    (await lineOf(service, `Bearer ${service.issuer.token({ scope })}`, '/api/private-scoped')).hint
  t.match(await hintFor('email profile'), /The token has "email profile"\. The route requires test_api_access/)
  t.match(await hintFor(''), /The token has no scope\. The route requires test_api_access/)
  t.match(await hintFor(undefined), /The token has no scope\./)
})

t.test('issuer_mismatch: the hint names the difference', async (t) => {
  const issuer = await TestIssuer.start(key)
  const service = await startService(t, {
    issuer, environment: { ISSUER: 'https://sso.example.com/realms/myorg', JWKS_URL: issuer.jwksUrl }
  })
  const hintFor = async (iss: string): Promise<unknown> => {
    const line = await lineOf(service, `Bearer ${service.issuer.token({ iss })}`)
    t.equal(line.reason, 'issuer_mismatch', iss)
    return line.hint
  }
  t.match(await hintFor('https://sso.example.com:443/realms/myorg'), /differs only in the port \(:443, not none\)/)
  t.match(await hintFor('https://sso.example.com/realms/myorg/'), /differs only in the slash at the end \(ISSUER has none\)/)
  t.match(await hintFor('http://sso.example.com/realms/myorg'), /differs only in the scheme \(http, not https\)/)
  t.match(await hintFor('https://SSO.example.com/realms/myorg'), /differs only in the case of the host name/)
  t.match(await hintFor('http://sso.example.com:80/realms/MyOrg'), /differs only in the scheme .* and the port .* and the case of the path/)
  t.match(await hintFor('https://sso.example.com/auth/realms/myorg'), /\/auth before \/realms \(ISSUER has none/)
  t.match(await hintFor('http://keycloak:8080/realms/myorg'), /the same realm name under another host name.*KC_HOSTNAME/)
  t.match(await hintFor('https://sso.example.com/realms/other'), /another realm of the same server/)
  t.match(
    await hintFor('https://accounts.google.com'),
    /ISSUER is https:\/\/sso\.example\.com\/realms\/myorg\. The token comes from another realm or another server/
  )
  t.match(await hintFor('no address'), /another realm or another server/)
})

t.test('key_unknown: the hint says that JWKS_URL is of another realm', async (t) => {
  const issuer = await TestIssuer.start(key)
  const iss = issuer.issuer.replace('test', 'other')
  const service = await startService(t, { issuer, environment: { ISSUER: iss, JWKS_URL: issuer.jwksUrl } })
  const line = await lineOf(service, `Bearer ${issuer.token({ iss }, { kid: 'x' })}`)
  t.match(line, { reason: 'key_unknown', hint: /JWKS_URL contains the realm test, but ISSUER the realm other.*correct JWKS_URL/ })
  const right = await startService(t, { key })
  t.match(
    await lineOf(right, `Bearer ${right.issuer.token({}, { kid: 'x' })}`),
    { reason: 'key_unknown', hint: /Keys that are added to http.* are found automatically/ }
  )
})

t.test('control characters of a claim never reach the log as they are, and a long claim is cut', async (t) => {
  const service = await startService(t, { key })
  const line = await lineOf(service, `Bearer ${service.issuer.token({ aud: `\u001b[31m\u009b\n\u202e${'x'.repeat(500)}` })}`)
  t.match(line.detail, /^aud "\\u001b\[31m\\u009b\\n\\u202ex+…$/)
  t.ok(String(line.detail).length < 120)
})
