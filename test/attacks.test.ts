import { createHmac, createPrivateKey } from 'node:crypto'
import t from 'tap'
import type { TokenReason } from '../src/oauth/reasons.ts'
import { newKey, signInput, signTexts, TestIssuer, type Json } from './support/issuer.ts'
import { startService, type Service } from './support/service.ts'

const key = newKey()
const attackersKey = newKey('RS256', 'attacker')
const now = (): number => Math.floor(Date.now() / 1000)
const b64 = (value: string | Buffer): string => Buffer.from(value).toString('base64url')

type Attack = readonly [name: string, reason: TokenReason, token: (issuer: TestIssuer) => string]

const claims = (changes: Json, header: Json = {}) => (issuer: TestIssuer): string => issuer.token(changes, header)
const payloadText = (change: (json: string) => string | Buffer) => (issuer: TestIssuer): string =>
  signTexts(key, JSON.stringify(issuer.header()), change(JSON.stringify(issuer.claims())))
const headerText = (change: (json: string) => string | Buffer) => (issuer: TestIssuer): string =>
  signTexts(key, change(JSON.stringify(issuer.header())), JSON.stringify(issuer.claims()))

const ATTACKS: readonly Attack[] = [
  ['alg none, signature empty', 'not_three_parts', (i) => `${b64(JSON.stringify({ alg: 'none', typ: 'JWT' }))}.${b64(JSON.stringify(i.claims()))}.`],
  ['alg none, signature of somebody', 'algorithm_not_allowed', claims({}, { alg: 'none' })],
  ['alg none in other letters', 'algorithm_not_allowed', claims({}, { alg: 'nOnE' })],
  ['alg HS256 with the public key as secret (key confusion)', 'algorithm_not_allowed', (i) => {
    const input = `${b64(JSON.stringify(i.header({ alg: 'HS256' })))}.${b64(JSON.stringify(i.claims()))}`
    const pem = createPrivateKey(key.privateKey.export({ type: 'pkcs8', format: 'pem' })).export({ type: 'pkcs8', format: 'pem' })
    return `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`
  }],
  ['alg of another family (ES256) with an RSA key', 'algorithm_not_allowed', claims({}, { alg: 'ES256' })],
  ['alg RS512 where the list has RS256', 'algorithm_not_allowed', claims({}, { alg: 'RS512' })],
  ['alg an array', 'algorithm_not_allowed', claims({}, { alg: ['RS256'] })],
  ['alg absent', 'algorithm_not_allowed', claims({}, { alg: undefined })],
  ['crit that nobody knows', 'header_not_allowed', claims({}, { crit: ['exp'], exp: 1 })],
  ...[null, 0, false, ''].map((crit): Attack => [`crit ${JSON.stringify(crit)}, which libraries overlook`, 'header_not_allowed', claims({}, { crit })]),
  ['b64 false (RFC 7797)', 'header_not_allowed', claims({}, { b64: false })],
  ['zip', 'header_not_allowed', claims({}, { zip: 'DEF' })],
  ['jku of the attacker', 'header_not_allowed', (i) => i.token({}, { jku: 'http://localhost:1/keys' }, attackersKey)],
  ['x5u of the attacker', 'header_not_allowed', claims({}, { x5u: 'http://localhost:1/x5u' })],
  ['jwk of the attacker in the header', 'header_not_allowed', (i) => i.token({}, { jwk: attackersKey.jwk }, attackersKey)],
  ['x5c of the attacker in the header', 'header_not_allowed', claims({}, { x5c: ['MII'] })],
  ['kid absent', 'kid_missing', claims({}, { kid: undefined })],
  ['kid an array', 'kid_missing', claims({}, { kid: [key.kid] })],
  ['kid empty', 'kid_missing', claims({}, { kid: '' })],
  ['kid of 256 characters', 'kid_missing', claims({}, { kid: 'k'.repeat(256) })],
  ['kid a path', 'key_unknown', claims({}, { kid: '../../../../dev/null' })],
  ['kid an SQL phrase', 'key_unknown', claims({}, { kid: '\' OR 1=1 --' })],
  ['kid a member of every object', 'key_unknown', claims({}, { kid: '__proto__' })],
  ['known kid, signed by another key', 'signature_invalid', (i) => i.token({}, { kid: key.kid }, attackersKey)],
  ['signature of another token', 'signature_invalid', (i) => {
    const [header = '', payload = ''] = i.token({ scope: 'test_api_access' }).split('.')
    return `${header}.${payload}.${i.token().split('.')[2] ?? ''}`
  }],
  ['header typ of a logout token', 'wrong_header_type', claims({}, { typ: 'logout+jwt' })],
  ['header typ of a DPoP proof', 'wrong_header_type', claims({}, { typ: 'dpop+jwt' })],
  ['header typ no string', 'wrong_header_type', claims({}, { typ: 1 })],
  ['ID token as access token', 'wrong_kind', claims({ typ: 'ID' })],
  ['logout token as access token', 'wrong_kind', claims({ typ: 'Logout' })],
  ['refresh token as access token', 'wrong_kind', claims({ typ: 'Refresh' })],
  ['offline token as access token', 'wrong_kind', claims({ typ: 'Offline' })],
  ['signed userinfo answer as access token', 'wrong_kind', claims({ typ: undefined })],
  ['DPoP-bound token as bearer', 'confirmation_unsupported', claims({ typ: 'DPoP', cnf: { jkt: 'x', 'kc-jkt-type': 'DPoP' } })],
  ['certificate-bound token as bearer', 'confirmation_unsupported', claims({ cnf: { 'x5t#S256': 'x' } })],
  ['confirmation of an unknown kind', 'confirmation_unsupported', claims({ cnf: { new: 'x' } })],
  ['issuer of another realm', 'issuer_mismatch', (i) => i.token({ iss: i.issuer.replace('test', 'other') })],
  ['issuer with a slash more', 'issuer_mismatch', (i) => i.token({ iss: `${i.issuer}/` })],
  ['issuer in other letters', 'issuer_mismatch', (i) => i.token({ iss: i.issuer.toUpperCase() })],
  ['issuer an array', 'claim_type', (i) => i.token({ iss: [i.issuer] })],
  ['issuer absent', 'claim_missing', claims({ iss: undefined })],
  ['audience of another API', 'audience_mismatch', claims({ aud: 'account' })],
  ['audience with ours as a part', 'audience_mismatch', claims({ aud: ['test_api_2', 'xtest_api'] })],
  ['audience absent', 'audience_mismatch', claims({ aud: undefined })],
  ['audience an empty list', 'audience_mismatch', claims({ aud: [] })],
  ['audience a number', 'claim_type', claims({ aud: 7 })],
  ['audience a list with a number', 'claim_type', claims({ aud: ['test_api', 7] })],
  ['expired', 'expired', claims({ exp: now() - 60 })],
  ['expired beyond the tolerance of 5 s', 'expired', claims({ exp: now() - 5 })],
  ['exp absent', 'claim_missing', claims({ exp: undefined })],
  ['exp a string', 'claim_type', claims({ exp: String(now() + 300) })],
  ['exp null', 'claim_type', claims({ exp: null })],
  ['exp infinite (1e309)', 'claim_type', payloadText((json) => json.replace(/"exp":\d+/, '"exp":1e309'))],
  ['exp beyond the last date', 'claim_type', claims({ exp: 253_402_300_800 })],
  ['exp negative', 'claim_type', claims({ exp: -1 })],
  ['exp in a year (longest lifetime)', 'lifetime_too_long', claims({ exp: now() + 31_536_000 })],
  ['nbf in the future', 'not_yet_valid', claims({ nbf: now() + 60 })],
  ['nbf 1e308, which makes a library throw', 'claim_type', claims({ nbf: 1e308 })],
  ['nbf a string', 'claim_type', claims({ nbf: '0' })],
  ['iat in the future', 'issued_in_future', claims({ iat: now() + 60 })],
  ['iat an object', 'claim_type', claims({ iat: {} })],
  ['scope an array', 'scope_malformed', claims({ scope: ['test_api_access'] })],
  ['scope with two blanks', 'scope_malformed', claims({ scope: 'a  b' })],
  ['scope with a tab', 'scope_malformed', claims({ scope: 'a\tb' })],
  ['scope null', 'scope_malformed', claims({ scope: null })],
  ['azp an object', 'claim_type', claims({ azp: {} })],
  ['sub a number', 'claim_type', claims({ sub: 1 })],
  ['cnf a string', 'claim_type', claims({ cnf: 'jkt' })],
  ['realm roles no list', 'claim_type', claims({ realm_access: { roles: 'admin' } })],
  ['realm_access a list', 'claim_type', claims({ realm_access: ['admin'] })],
  ['client roles no lists', 'claim_type', claims({ resource_access: { test_api: { roles: [1] } } })],
  ['resource_access null', 'claim_type', claims({ resource_access: null })],
  ['payload null', 'not_json_object', payloadText(() => 'null')],
  ['payload a list', 'not_json_object', payloadText((json) => `[${json}]`)],
  ['payload a string', 'not_json_object', payloadText((json) => JSON.stringify(json))],
  ['payload no JSON', 'not_json_object', payloadText((json) => `${json}}`)],
  ['payload empty', 'not_three_parts', payloadText(() => '')],
  ['payload with a BOM', 'not_json_object', payloadText((json) => `\uFEFF${json}`)],
  ['payload not UTF-8', 'not_utf8', payloadText((json) => Buffer.concat([Buffer.from(json.slice(0, -1)), Buffer.from(',"x":"'), Buffer.from([0xC3, 0x28]), Buffer.from('"}')]))],
  ['member twice: the first is good', 'duplicate_member', payloadText((json) => json.replace('"typ":"Bearer"', '"typ":"Bearer","typ":"ID"'))],
  ['member twice: the last is good', 'duplicate_member', payloadText((json) => json.replace('"typ":"Bearer"', '"typ":"ID","typ":"Bearer"'))],
  ['member twice, spelt with an escape', 'duplicate_member', payloadText((json) => json.replace('"typ":"Bearer"', '"\\u0074yp":"ID","typ":"Bearer"'))],
  ['member twice, within a claim', 'duplicate_member', payloadText((json) => json.replace('{', '{"x":[{"y":{"a:":1,"a:":2}}],'))],
  ['__proto__ twice', 'duplicate_member', payloadText((json) => json.replace('{', '{"__proto__":{"a":1},"__proto__":{"a":1},'))],
  ['header member twice', 'duplicate_member', headerText((json) => json.replace('"alg":"RS256"', '"alg":"none","alg":"RS256"'))],
  ['nested 17 deep', 'nested_too_deep', payloadText((json) => json.replace('{', `{"x":${'['.repeat(16)}${']'.repeat(16)},`))],
  ['nested 2,500 deep', 'nested_too_deep', payloadText((json) => json.replace('{', `{"x":${'['.repeat(2500)}${']'.repeat(2500)},`))],
  ['second spelling: padding bits in the signature', 'not_base64url', (i) => respelt(i.token())],
  ['two parts', 'not_three_parts', (i) => i.token().split('.').slice(0, 2).join('.')],
  ['four parts', 'not_three_parts', (i) => `${i.token()}.x`],
  ['five parts: encrypted', 'token_encrypted', () => 'a.b.c.d.e'],
  ['plus and slash for minus and underscore', 'not_base64url', (i) => i.token({ x: '???>>>' }).replace(/-|_/, (c) => c === '-' ? '+' : '/')],
  ['padding', 'not_base64url', (i) => `${i.token()}=`],
  ['a secret in place of a token', 'not_three_parts', () => 'test-api-client-demo-secret'],
  ['longer than MAX_TOKEN_BYTES', 'token_too_large', claims({ x: 'x'.repeat(11_000) })]
]

/** The last character of an RS256 signature carries four unused bits: any other spelling of them is a second text of the same bytes. */
function respelt (token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + (alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1] ?? '')
}

async function refusedFor (service: Service, token: string): Promise<{ status: number, reason: unknown }> {
  const { status } = await service.get('/api/private', token)
  return { status, reason: service.lines.findLast((line) => line.msg === 'request')?.reason }
}

t.test('a token that is not ours is answered 401, for the right reason, with one text for all', async (t) => {
  const service = await startService(t, { key })
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200, 'the token that all attacks start from is good')
  const bodies = new Set<string>()
  for (const [name, reason, token] of ATTACKS) {
    const answer = await service.get('/api/private', token(service.issuer))
    const line = service.lines.findLast((one) => one.msg === 'request')
    t.match({ status: answer.status, reason: line?.reason }, { status: 401, reason }, name)
    t.match(answer.challenge, /^Bearer realm="scopegate", error="invalid_token", error_description="[^"]+"$/, `${name}: challenge`)
    bodies.add(JSON.stringify({ ...answer.body, request_id: '' }))
  }
  t.equal(bodies.size, 1, 'the answers do not tell the reasons apart')
  t.notOk(service.lines.some((line) => /eyJ[\w-]{20,}\./.test(JSON.stringify(line))), 'no token in the log')
})

t.test('no token chooses where keys come from: nobody but the issuer is asked', async (t) => {
  const attacker = await TestIssuer.start(attackersKey)
  t.teardown(() => attacker.stop())
  const service = await startService(t, { key })
  const forged = attacker.token({ iss: attacker.issuer }, { jku: undefined })
  t.same(await refusedFor(service, forged), { status: 401, reason: 'issuer_mismatch' })
  t.same(await refusedFor(service, attacker.token({ iss: service.issuer.issuer }, { jku: attacker.jwksUrl })), { status: 401, reason: 'header_not_allowed' })
  t.equal(attacker.fetches, 0)
})

t.test('the algorithm belongs to the key: an EdDSA header on an RSA key is refused before any check', async (t) => {
  const service = await startService(t, { key, environment: { ALGORITHMS: 'RS256 RS384 EdDSA ES256' } })
  for (const alg of ['EdDSA', 'ES256', 'RS384']) {
    const input = `${b64(JSON.stringify(service.issuer.header({ alg })))}.${b64(JSON.stringify(service.issuer.claims()))}`
    t.same(await refusedFor(service, `${input}.${b64(signInput(key, input))}`), { status: 401, reason: 'algorithm_mismatch' }, alg)
  }
  t.equal(service.app.verification.counts.signatureChecks, 0)
})

t.test('clock tolerance is exact at the edge', async (t) => {
  const service = await startService(t, { key, environment: { CLOCK_TOLERANCE_SECONDS: '0' } })
  t.same(await refusedFor(service, service.issuer.token({ exp: now() })), { status: 401, reason: 'expired' }, 'on exp: refused (RFC 7519: on or after)')
  t.equal((await service.get('/api/private', service.issuer.token({ exp: now() + 2 }))).status, 200)
  t.same(await refusedFor(service, service.issuer.token({ iat: now() + 2 })), { status: 401, reason: 'issued_in_future' })
})

t.test('a cached token ends with its exp, too', async (t) => {
  const service = await startService(t, { key, environment: { CLOCK_TOLERANCE_SECONDS: '0' } })
  const token = service.issuer.token({ exp: now() + 2 })
  t.equal((await service.get('/api/private', token)).status, 200)
  t.equal((await service.get('/api/private', token)).status, 200)
  t.equal(service.app.verification.counts.cacheHits, 1)
  await new Promise((resolve) => setTimeout(resolve, 2_050))
  t.same(await refusedFor(service, token), { status: 401, reason: 'expired' })
})

t.test('TOKEN_KIND=at+jwt: RFC 9068 strictly', async (t) => {
  const service = await startService(t, { key, environment: { TOKEN_KIND: 'at+jwt' } })
  const at = (changes: Json = {}, header: Json = {}): string => service.issuer.token(changes, { typ: 'at+jwt', ...header })
  for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT']) t.equal((await service.get('/api/private', at({}, { typ }))).status, 200, typ)
  t.equal((await service.get('/api/private', at({ typ: undefined, azp: undefined }))).status, 200, 'an issuer other than Keycloak')
  for (const typ of ['JWT', undefined]) t.same(await refusedFor(service, at({}, { typ })), { status: 401, reason: 'wrong_header_type' })
  for (const claim of ['iss', 'exp', 'sub', 'client_id', 'iat', 'jti']) t.same(await refusedFor(service, at({ [claim]: undefined })), { status: 401, reason: 'claim_missing' }, claim)
  t.same(await refusedFor(service, at({ typ: 'ID' })), { status: 401, reason: 'wrong_kind' })
})

t.test('good tokens of every spelling are let in', async (t) => {
  const service = await startService(t, { key, environment: { ALGORITHMS: 'RS256, ES256 EdDSA,PS256' } })
  const es = newKey('ES256')
  const ed = newKey('EdDSA')
  const ps = newKey('PS256')
  service.issuer.published = [key.jwk, es.jwk, ed.jwk, { ...ps.jwk, alg: undefined }]
  const good: Array<[string, string]> = [
    ['header with the blanks of Keycloak', signTexts(key, `{"alg":"RS256","typ" : "JWT","kid" : "${key.kid}"}`, JSON.stringify(service.issuer.claims()))],
    ['no header typ', service.issuer.token({}, { typ: undefined })],
    ['at+jwt header', service.issuer.token({}, { typ: 'at+jwt' })],
    ['bearer in lower case', service.issuer.token({ typ: 'bearer' })],
    ['audience a list', service.issuer.token({ aud: ['account', 'test_api'] })],
    ['scope empty', service.issuer.token({ scope: '' })],
    ['scope absent', service.issuer.token({ scope: undefined })],
    ['lightweight', service.issuer.token({ acr: undefined, email_verified: undefined, client_id: undefined, jti: 'trltcc:c114e216' })],
    ['nested 16 deep', service.issuer.token({ x: JSON.parse(`${'['.repeat(15)}${']'.repeat(15)}`) as unknown })],
    ['quotes, colons and backslashes in strings', service.issuer.token({ x: '":{\\":"\\\\', 'y":': '\\' })],
    ['fractions of a second', service.issuer.token({ exp: now() + 30.5 })],
    ['ES256', service.issuer.token({}, {}, es)], ['EdDSA', service.issuer.token({}, {}, ed)], ['PS256, key without alg', service.issuer.token({}, {}, ps)],
    ['within the tolerance', service.issuer.token({ exp: now() - 2 })],
    ['14,900 characters', service.issuer.token({ x: 'x'.repeat(10_400) })]
  ]
  for (const [name, token] of good) t.equal((await service.get('/api/private', token)).status, 200, name)
})

t.test('AUDIENCE=* takes any audience and none, and says so at the start and when asked for readiness', async (t) => {
  const service = await startService(t, { key, environment: { AUDIENCE: '*' } })
  for (const aud of ['account', undefined, ['x', 'y']]) t.equal((await service.get('/api/private', service.issuer.token({ aud }))).status, 200)
  t.match((await service.get('/health/ready')).body, { status: 'ok', conditions: { any_audience: /AUDIENCE/ } })
})

t.test('a newcomer finds the fix in the log', async (t) => {
  const service = await startService(t, { key })
  await service.get('/api/private', service.issuer.token({ aud: 'account' }))
  t.match(service.lines.at(-1), { reason: 'audience_mismatch', detail: 'aud "account"', hint: /Add mapper, By configuration, Audience.*test_api/ })
  await service.get('/api/private-scoped', service.issuer.token())
  t.match(service.lines.at(-1), { status: 403, reason: 'scope_missing', hint: /Include in token scope/, client: 'test_client' })
})
