import { createHmac, createPublicKey } from 'node:crypto'
import type { TokenReason } from '../../src/oauth/reasons.ts'
import { newKey, signTexts, type Json, type TestIssuer } from './issuer.ts'

export const key = newKey()
export const attackersKey = newKey('RS256', 'attacker')
export const now = (): number => Math.floor(Date.now() / 1000)
export const b64 = (value: string | Buffer): string => Buffer.from(value).toString('base64url')

export type Attack = readonly [name: string, reason: TokenReason, token: (issuer: TestIssuer) => string]

const claims = (changes: Json, header: Json = {}) => (issuer: TestIssuer): string => issuer.token(changes, header)
const payloadText = (change: (json: string) => string | Buffer) => (issuer: TestIssuer): string =>
  signTexts(key, JSON.stringify(issuer.header()), change(JSON.stringify(issuer.claims())))
const headerText = (change: (json: string) => string | Buffer) => (issuer: TestIssuer): string =>
  signTexts(key, change(JSON.stringify(issuer.header())), JSON.stringify(issuer.claims()))

const spkiOf = ({ privateKey }: typeof key): string =>
  createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64')

/** What an attacker can have: the public key, in the spellings that a library may take for an HMAC secret. */
export const publicKey = createPublicKey(key.privateKey)
export const spki = publicKey.export({ type: 'spki', format: 'pem' }).toString()
export const PUBLIC_KEY_TEXTS: ReadonlyArray<readonly [name: string, secret: string | Buffer]> = [
  ['SPKI PEM', spki],
  ['SPKI PEM without the final newline', spki.trimEnd()],
  ['PKCS #1 PEM', publicKey.export({ type: 'pkcs1', format: 'pem' })],
  ['bare base64, as a realm page of Keycloak shows it', spki.replace(/-----[^-]+-----|\s/g, '')],
  ['SPKI DER', publicKey.export({ type: 'spki', format: 'der' })],
  ['JWK', JSON.stringify(key.jwk)]
]

export function signedWithSecret (issuer: TestIssuer, alg: string, secret: string | Buffer): string {
  const input = `${b64(JSON.stringify(issuer.header({ alg })))}.${b64(JSON.stringify(issuer.claims()))}`
  return `${input}.${createHmac(`sha${alg.slice(2)}`, secret).update(input).digest('base64url')}`
}

/** Each is a good token but for what its name says, and the reason for which it is refused. */
export const ATTACKS: readonly Attack[] = [
  [
    'alg none, signature empty',
    'not_three_parts',
    (i) => `${b64(JSON.stringify({ alg: 'none', typ: 'JWT' }))}.${b64(JSON.stringify(i.claims()))}.`
  ],
  ['alg none, signature of somebody', 'algorithm_not_allowed', claims({}, { alg: 'none' })],
  ['alg none in other letters', 'algorithm_not_allowed', claims({}, { alg: 'nOnE' })],
  ...['HS256', 'HS384', 'HS512'].flatMap((alg) => PUBLIC_KEY_TEXTS.map(([name, secret]): Attack =>
    [
      `alg ${alg} with the public key as secret, ${name} (key confusion)`, 'algorithm_not_allowed', (i) => signedWithSecret(i, alg, secret)
    ])),
  ['alg of another family (ES256), which the list does not have, with an RSA key', 'algorithm_not_allowed', claims({}, { alg: 'ES256' })],
  ['alg RS512 where the list has RS256', 'algorithm_not_allowed', claims({}, { alg: 'RS512' })],
  ['alg an array', 'algorithm_not_allowed', claims({}, { alg: ['RS256'] })],
  ['alg absent', 'algorithm_not_allowed', claims({}, { alg: undefined })],
  ['crit that nobody knows', 'header_not_allowed', claims({}, { crit: ['urn:example:unknown'], 'urn:example:unknown': true })],
  ['crit that names a registered member', 'header_not_allowed', claims({}, { crit: ['exp'], exp: 1 })],
  ...[null, 0, false, ''].map((crit): Attack => [
    `crit ${JSON.stringify(crit)}, which libraries overlook`, 'header_not_allowed', claims({}, { crit })
  ]),
  ['b64 false (RFC 7797)', 'header_not_allowed', claims({}, { b64: false })],
  ['zip', 'header_not_allowed', claims({}, { zip: 'DEF' })],
  ['jku of the attacker', 'header_not_allowed', (i) => i.token({}, { jku: 'http://localhost:1/keys' }, attackersKey)],
  ['x5u of the attacker', 'header_not_allowed', (i) => i.token({}, { x5u: 'http://localhost:1/x5u' }, attackersKey)],
  ['jwk of the attacker in the header', 'header_not_allowed', (i) => i.token({}, { jwk: attackersKey.jwk }, attackersKey)],
  ['x5c of the attacker in the header', 'header_not_allowed', (i) => i.token({}, { x5c: [spkiOf(attackersKey)] }, attackersKey)],
  ['enc of a JWE', 'header_not_allowed', claims({}, { enc: 'A256GCM' })],
  ['kid absent', 'kid_missing', claims({}, { kid: undefined })],
  ['kid an array', 'kid_missing', claims({}, { kid: [key.kid] })],
  ['kid empty', 'kid_missing', claims({}, { kid: '' })],
  ['kid null', 'kid_missing', claims({}, { kid: null })],
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
  ['payload typ in other letters', 'wrong_kind', claims({ typ: 'BEARER' })],
  ['payload typ of a DPoP token without a confirmation', 'wrong_kind', claims({ typ: 'DPoP' })],
  ['refresh token, signed as access tokens are', 'wrong_kind', claims({ typ: 'Refresh' })],
  ['offline token, signed as access tokens are', 'wrong_kind', claims({ typ: 'Offline' })],
  ['signed userinfo response without exp, as Keycloak writes it', 'claim_missing', claims({ typ: undefined, exp: undefined })],
  ['signed userinfo response with an exp', 'wrong_kind', claims({ typ: undefined })],
  ['DPoP-bound token as bearer', 'confirmation_unsupported', claims({ typ: 'DPoP', cnf: { jkt: 'x', 'kc-jkt-type': 'DPoP' } })],
  ['certificate-bound token as bearer', 'confirmation_unsupported', claims({ cnf: { 'x5t#S256': 'x' } })],
  ['confirmation of an unknown kind', 'confirmation_unsupported', claims({ cnf: { new: 'x' } })],
  ['confirmation empty', 'confirmation_unsupported', claims({ cnf: {} })],
  ['confirmation with a null in it', 'confirmation_unsupported', claims({ cnf: { jkt: null } })],
  ['confirmation null', 'claim_type', claims({ cnf: null })],
  ['confirmation a list', 'claim_type', claims({ cnf: [] })],
  ['confirmation false', 'claim_type', claims({ cnf: false })],
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
  ['expired just beyond the tolerance of 5 s', 'expired', (i) => i.token({ exp: now() - 5 })],
  ['exp absent', 'claim_missing', claims({ exp: undefined })],
  ['exp a string', 'claim_type', claims({ exp: String(now() + 300) })],
  ['auth_time a string', 'claim_type', claims({ auth_time: '0' })],
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
  ['scope with two spaces', 'scope_malformed', claims({ scope: 'a  b' })],
  ['scope with a tab', 'scope_malformed', claims({ scope: 'a\tb' })],
  ['scope null', 'scope_malformed', claims({ scope: null })],
  ...[' a', 'a ', ' ', 'a"b', 'a\\b', 'a\u007f', 'ü', 'a\nb'].map((scope): Attack => [
    `scope ${JSON.stringify(scope)}`, 'scope_malformed', claims({ scope })
  ]),
  ['azp an object', 'claim_type', claims({ azp: {} })],
  ['sub a number', 'claim_type', claims({ sub: 1 })],
  ...['client_id', 'jti', 'typ', 'sid'].map((name): Attack => [`${name} a list`, 'claim_type', claims({ [name]: ['x'] })]),
  ['cnf a string', 'claim_type', claims({ cnf: 'jkt' })],
  ['realm roles no list', 'claim_type', claims({ realm_access: { roles: 'admin' } })],
  ['realm_access a list', 'claim_type', claims({ realm_access: ['admin'] })],
  ['realm roles with a number', 'claim_type', claims({ realm_access: { roles: ['a', 1] } })],
  ['resource_access a list', 'claim_type', claims({ resource_access: [] })],
  ['client roles no lists', 'claim_type', claims({ resource_access: { test_api: { roles: [1] } } })],
  ['client roles of the second client no list', 'claim_type', claims({ resource_access: { a: { roles: [] }, test_api: { roles: [1] } } })],
  ['resource_access null', 'claim_type', claims({ resource_access: null })],
  ['payload null', 'not_json_object', payloadText(() => 'null')],
  ['payload a list', 'not_json_object', payloadText((json) => `[${json}]`)],
  ['payload a string', 'not_json_object', payloadText((json) => JSON.stringify(json))],
  ['payload no JSON', 'not_json_object', payloadText((json) => `${json}}`)],
  ['payload empty', 'not_three_parts', payloadText(() => '')],
  ['header null', 'not_json_object', headerText(() => 'null')],
  ['header a list', 'not_json_object', headerText((json) => `[${json}]`)],
  ['payload with a BOM', 'not_json_object', payloadText((json) => `\uFEFF${json}`)],
  [
    'payload not UTF-8',
    'not_utf8',
    payloadText((json) => Buffer.concat([
      Buffer.from(json.slice(0, -1)), Buffer.from(',"x":"'), Buffer.from([0xC3, 0x28]), Buffer.from('"}')
    ]))
  ],
  [
    'member twice: the first is good',
    'duplicate_member',
    payloadText((json) => json.replace('"typ":"Bearer"', '"typ":"Bearer","typ":"ID"'))
  ],
  [
    'member twice: the last is good', 'duplicate_member', payloadText((json) => json.replace('"typ":"Bearer"', '"typ":"ID","typ":"Bearer"'))
  ],
  [
    'member twice, spelt with an escape',
    'duplicate_member',
    payloadText((json) => json.replace('"typ":"Bearer"', '"\\u0074yp":"ID","typ":"Bearer"'))
  ],
  ['member twice, within a claim', 'duplicate_member', payloadText((json) => json.replace('{', '{"x":[{"y":{"a:":1,"a:":2}}],'))],
  ['__proto__ twice', 'duplicate_member', payloadText((json) => json.replace('{', '{"__proto__":{"a":1},"__proto__":{"a":1},'))],
  ['header typ with a suffix', 'wrong_header_type', claims({}, { typ: 'JWT2' })],
  ['header typ within another', 'wrong_header_type', claims({}, { typ: 'x-application/at+jwt' })],
  ['header member twice', 'duplicate_member', headerText((json) => json.replace('"alg":"RS256"', '"alg":"none","alg":"RS256"'))],
  ['nested 17 deep', 'nested_too_deep', payloadText((json) => json.replace('{', `{"x":${'['.repeat(16)}${']'.repeat(16)},`))],
  [
    'nested 17 deep, with values between',
    'nested_too_deep',
    payloadText((json) => json.replace('{', `{"x":${'[1, '.repeat(16)}2${']'.repeat(16)},`))
  ],
  ['nested 2,500 deep', 'nested_too_deep', payloadText((json) => json.replace('{', `{"x":${'['.repeat(2500)}${']'.repeat(2500)},`))],
  ['second spelling: padding bits in the signature', 'not_base64url', (i) => respelt(i.token())],
  ['two parts', 'not_three_parts', (i) => i.token().split('.').slice(0, 2).join('.')],
  ['four parts', 'not_three_parts', (i) => `${i.token()}.x`],
  ['five parts: encrypted', 'token_encrypted', () => 'a.b.c.d.e'],
  ['plus and slash for minus and underscore', 'not_base64url', (i) => plusAndSlash(i)],
  ['padding', 'not_base64url', (i) => `${i.token()}=`],
  ['a secret in place of a token', 'not_three_parts', () => 'test-api-client-demo-secret'],
  ['longer than MAX_TOKEN_BYTES', 'token_too_large', claims({ x: 'x'.repeat(11_000) })]
]

/** In the payload alone, so that it is the other spelling that is refused and not a part of the signature. */
function plusAndSlash (issuer: TestIssuer): string {
  const [header = '', payload = '', signature = ''] = issuer.token({ x: '???>>>~~~' }).split('.')
  const other = payload.replaceAll('-', '+').replaceAll('_', '/')
  if (other === payload) throw new Error('the payload has neither - nor _')
  return `${header}.${other}.${signature}`
}

/** The last character of an RS256 signature carries four unused bits: any other spelling of them is a second text of the same bytes. */
export function respelt (token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return token.slice(0, -1) + (alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1] ?? '')
}

/** Tokens that are accepted, however odd they look. */
export const GOOD: ReadonlyArray<readonly [name: string, token: (issuer: TestIssuer) => string]> = [
  [
    'header with the spaces of Keycloak',
    (i) => signTexts(key, `{"alg":"RS256","typ" : "JWT","kid" : "${key.kid}"}`, JSON.stringify(i.claims()))
  ],
  ['no header typ', (i) => i.token({}, { typ: undefined })],
  ['at+jwt header', (i) => i.token({}, { typ: 'at+jwt' })],
  ['bearer in lower case', (i) => i.token({ typ: 'bearer' })],
  ['audience a list', (i) => i.token({ aud: ['account', 'test_api'] })],
  ['scope empty', (i) => i.token({ scope: '' })],
  ['scope absent', (i) => i.token({ scope: undefined })],
  ['lightweight', (i) => i.token({ acr: undefined, email_verified: undefined, client_id: undefined, jti: 'trltcc:c114e216' })],
  ['nested 16 deep', (i) => i.token({ x: JSON.parse(`${'['.repeat(15)}${']'.repeat(15)}`) as unknown })],
  ['quotes, colons and backslashes in strings', (i) => i.token({ x: '":{\\":"\\\\', 'y":': '\\' })],
  ['strings that end with a quote or a backslash', (i) => i.token({ x: '"', y: 'z', z: ['\\', '\\"', '"'], w: ':' })],
  [
    '20 lists and objects beside each other',
    (i) => i.token({ x: Array.from({ length: 20 }, () => []), y: Array.from({ length: 20 }, () => ({})) })
  ],
  ['fractions of a second', (i) => i.token({ exp: now() + 30.5 })],
  ['within the tolerance', (i) => i.token({ exp: now() - 2 })],
  ['14,900 characters', (i) => i.token({ x: 'x'.repeat(10_400) })],
  ['kid of 255 characters', (i) => i.token({}, { kid: 'k'.repeat(255) })],
  ['typ of the header in full', (i) => i.token({}, { typ: 'application/JWT' })],
  ['header members that nobody needs', (i) => i.token({}, { cty: 'JWT', x5t: 'x', iss: 'x' })],
  ['the last date', (i) => i.token({ auth_time: 253_402_300_799 })],
  ['the first date', (i) => i.token({ auth_time: 0, iat: 0, nbf: 0 })],
  ['roles of every kind', (i) => i.token({ realm_access: {}, resource_access: { a: {}, b: { roles: [] }, c: { roles: ['x'] } } })],
  ['iat and nbf within the tolerance', (i) => i.token({ iat: now() + 3, nbf: now() + 3 })],
  ['exp at the longest lifetime', (i) => i.token({ exp: now() + 86_400 })]
]
