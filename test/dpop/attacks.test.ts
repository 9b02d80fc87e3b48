import { createHmac, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { boundTo, holder, proof, type ProofParts } from '../support/dpop.ts'
import { newKey, signTexts, type Json } from '../support/issuer.ts'
import { headersOf, raw, statusOf } from '../support/raw.ts'
import { startService } from '../support/service.ts'

const PUBLIC_URL = 'https://api.example.com/orders'
const URL_OF = `${PUBLIC_URL}/api/private`
const owner = holder()
const thief = holder()
const now = (): number => Math.floor(Date.now() / 1000)

const service = await startService(t, {
  key: newKey('ES256'), environment: { ALGORITHMS: 'ES256', DPOP: 'allowed', PUBLIC_URL: `${PUBLIC_URL}/` }
})
const issue = (claims: Json = {}): string => service.issuer.token({ ...boundTo(owner), ...claims })
const token = issue()
const made = (parts: Partial<ProofParts> = {}, by = owner): string => proof(by, { url: URL_OF, token, ...parts })
const call = (path: string, authorization: string, dpop?: string, method = 'GET'): ReturnType<typeof service.ask> =>
  service.ask(path, { method, headers: { authorization, ...dpop !== undefined && { dpop } } })
const reason = (): unknown => service.lines.findLast((line) => line.reason !== undefined)?.reason

t.test('a bound token with its proof is accepted, in every spelling of the scheme and of the URL that RFC 3986 makes equal', async (t) => {
  for (const scheme of ['DPoP', 'dpop', 'DPOP', 'DPoP  ']) {
    t.equal((await call('/api/private', `${scheme} ${token}`, made())).status, 200, scheme)
  }
  const spellings = [
    'HTTPS://API.example.COM/orders/api/private', 'https://api.example.com:443/orders/api/private',
    'https://api.example.com/orders/%61pi/priv%61te',
    'https://api.example.com/orders/x/../api/./private', `${URL_OF}?a=b`, `${URL_OF}#c`, `${URL_OF}?`
  ]
  for (const url of spellings) t.equal((await call('/api/private', `DPoP ${token}`, made({ url }))).status, 200, url)
  t.equal((await call('/api/private?page=2', `DPoP ${token}`, made())).status, 200, 'the query of the request is not part of it')
  t.equal((await call('/api/private', `DPoP ${token}`, made({ method: 'HEAD' }), 'HEAD')).status, 200)
  t.equal((await call('/api/private', `DPoP ${token}`, made({ header: { typ: 'application/DPoP+JWT' } }))).status, 200)
  t.equal((await call('/api/private', `Bearer ${service.issuer.token()}`)).status, 200, 'a bearer token beside it')
  t.equal((await call('/api/private', `Bearer ${service.issuer.token()}`, made())).status, 200, 'a proof that nobody needs')
})

t.test('every algorithm of the challenge', async (t) => {
  for (const alg of ['ES384', 'ES512', 'EdDSA', 'RS256', 'PS512']) {
    const one = holder(alg)
    const bound = service.issuer.token(boundTo(one))
    t.equal((await call('/api/private', `DPoP ${bound}`, proof(one, { url: URL_OF, token: bound }))).status, 200, alg)
  }
})

const hmac = (secret: string): string => {
  const input = made({ header: { alg: 'HS256' } }).split('.').slice(0, 2).join('.')
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}
const text = (change: (header: string, payload: string) => readonly [string, string]): string => {
  const [header = '', payload = ''] = made().split('.').map((part) => Buffer.from(part, 'base64url').toString())
  return signTexts(owner.key, ...change(header, payload))
}
const claim = (claims: Json) => (): string => made({ claims })
const head = (header: Json) => (): string => made({ header })
const url = (other: string) => (): string => made({ url: other })
const privateJwk = owner.key.privateKey.export({ format: 'jwk' })
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })

type Attack = readonly [name: string, reason: string, dpop: () => string]

/** Each is a good proof for `GET /api/private` but for what its name says. */
const ATTACKS: readonly Attack[] = [
  ['no proof: an empty header', 'dpop_missing', () => ''],
  ['for another method', 'dpop_method', () => made({ method: 'POST' })],
  ['for the method in small letters', 'dpop_method', () => made({ method: 'get' })],
  ['for another path', 'dpop_url', url(`${PUBLIC_URL}/api/private-scoped`)],
  ['for the path in capitals', 'dpop_url', url(`${PUBLIC_URL}/api/PRIVATE`)],
  ['for the path with a slash at its end', 'dpop_url', url(`${URL_OF}/`)],
  ['for two slashes', 'dpop_url', url(`${PUBLIC_URL}//api/private`)],
  ['for an encoded slash', 'dpop_url', url(`${PUBLIC_URL}/api%2Fprivate`)],
  ['for a path encoded twice', 'dpop_url', url(`${PUBLIC_URL}/%2561pi/private`)],
  ['for an encoded question mark', 'dpop_url', url(`${URL_OF}%3Fa=b`)],
  ['for the path without the prefix of PUBLIC_URL', 'dpop_url', url('https://api.example.com/api/private')],
  ['for the address of the socket (Host)', 'dpop_url', () => made({ url: `${service.url}/api/private` })],
  ['for plain http', 'dpop_url', url('http://api.example.com/orders/api/private')],
  ['for another port', 'dpop_url', url('https://api.example.com:8443/orders/api/private')],
  ['for another host', 'dpop_url', url('https://evil.example.com/orders/api/private')],
  ['for a host with a dot at its end', 'dpop_url', url('https://api.example.com./orders/api/private')],
  ['for a host that looks the same in Cyrillic (IDN)', 'dpop_url', url('https://\u0430pi.example.com/orders/api/private')],
  ['for its punycode', 'dpop_url', url('https://xn--pi-7kc.example.com/orders/api/private')],
  ['with user information', 'dpop_url', url('https://api.example.com@evil.example.com/orders/api/private')],
  ['with our host as user information', 'dpop_url', url('https://x@api.example.com/orders/api/private')],
  ['with backslashes, which URL libraries turn', 'dpop_url', url('https:\\\\api.example.com\\orders\\api\\private')],
  ['with a tab, which URL libraries drop', 'dpop_url', url('https://api.exa\tmple.com/orders/api/private')],
  ['with a space before', 'dpop_url', url(` ${URL_OF}`)],
  ['for a path alone', 'dpop_url', url('/orders/api/private')],
  ['for something that is not a URL', 'dpop_url', url('https://[')],
  ['for another token (ath)', 'dpop_token_mismatch', () => made({ token: issue({ jti: 'trrtcc:other' }) })],
  ['ath in base64 and not base64url', 'dpop_token_mismatch', claim({ ath: `${'A'.repeat(42)}=` })],
  ['ath absent, as for the token endpoint', 'dpop_claim', claim({ ath: undefined })],
  ['ath an array', 'dpop_claim', claim({ ath: [] })],
  ['61 s old', 'dpop_expired', () => made({ claims: { iat: now() - 61 } })],
  ['of last year', 'dpop_expired', () => made({ claims: { iat: now() - 31_536_000 } })],
  ['expired by its own exp', 'dpop_expired', () => made({ claims: { exp: now() - 11 } })],
  ['of the future', 'dpop_in_future', () => made({ claims: { iat: now() + 12 } })],
  ['not valid yet by its own nbf', 'dpop_in_future', () => made({ claims: { nbf: now() + 12 } })],
  ['iat absent', 'dpop_claim', claim({ iat: undefined })],
  ['iat a string', 'dpop_claim', claim({ iat: String(now()) })],
  ['iat infinite', 'dpop_claim', () => text((h, p) => [h, p.replace(/"iat":\d+/, '"iat":1e309')])],
  ['exp a string', 'dpop_claim', claim({ exp: 'x' })],
  ['nbf a string', 'dpop_claim', claim({ nbf: 'x' })],
  ['nonce a number', 'dpop_claim', claim({ nonce: 1 })],
  ['jti absent', 'dpop_claim', claim({ jti: undefined })],
  ['jti empty', 'dpop_claim', claim({ jti: '' })],
  ['jti a number', 'dpop_claim', claim({ jti: 1 })],
  ['jti of 513 characters', 'dpop_claim', claim({ jti: 'j'.repeat(513) })],
  ['htm absent', 'dpop_claim', claim({ htm: undefined })],
  ['htu an array', 'dpop_claim', claim({ htu: [URL_OF] })],
  ['private key in jwk', 'dpop_private_key', head({ jwk: privateJwk })],
  ['symmetric key in jwk', 'dpop_private_key', head({ jwk: { kty: 'oct', k: 'c2VjcmV0' } })],
  ['private member that is null', 'dpop_private_key', head({ jwk: { ...owner.jwk, d: null } })],
  ['alg none', 'dpop_algorithm', () => `${made({ header: { alg: 'none' } }).split('.').slice(0, 2).join('.')}.AA`],
  ['alg none without a signature', 'dpop_malformed', () => `${made({ header: { alg: 'none' } }).split('.').slice(0, 2).join('.')}.`],
  ['symmetric alg, the public key as its secret', 'dpop_algorithm', () => hmac(JSON.stringify(owner.jwk))],
  ['alg absent', 'dpop_algorithm', head({ alg: undefined })],
  ['alg a list', 'dpop_algorithm', head({ alg: ['ES256'] })],
  ['alg of another curve than the key', 'dpop_algorithm', head({ alg: 'ES384' })],
  ['alg RS256 with an EC key', 'dpop_algorithm', head({ alg: 'RS256' })],
  ['alg EdDSA with an EC key', 'dpop_algorithm', head({ alg: 'EdDSA' })],
  ['alg other than that of the jwk itself', 'dpop_algorithm', head({ jwk: { ...owner.jwk, alg: 'ES512' } })],
  ['jwk absent', 'dpop_key', head({ jwk: undefined })],
  ['jwk null', 'dpop_key', head({ jwk: null })],
  ['jwk of an unknown kind', 'dpop_key', head({ jwk: { ...owner.jwk, kty: 'AKP' } })],
  ['jwk of a kind that objects have', 'dpop_key', head({ jwk: { ...owner.jwk, kty: 'constructor' } })],
  ['jwk for encryption', 'dpop_key', head({ jwk: { ...owner.jwk, use: 'enc' } })],
  ['jwk without y', 'dpop_key', head({ jwk: { ...owner.jwk, y: undefined } })],
  ['RSA of 1,024 bits', 'dpop_key', head({ alg: 'RS256', jwk: weak.publicKey.export({ format: 'jwk' }) })],
  ['jwk that is for encryption by its key_ops', 'dpop_key', head({ jwk: { ...owner.jwk, key_ops: ['encrypt'] } })],
  [
    'RSA of 8,192 bits',
    'dpop_key',
    head({ alg: 'RS256', jwk: { kty: 'RSA', n: Buffer.alloc(1024, 255).toString('base64url'), e: 'AQAB' } })
  ],
  [
    'RSA with a huge exponent',
    'dpop_key',
    head({
      alg: 'RS256', jwk: { kty: 'RSA', n: Buffer.alloc(256, 255).toString('base64url'), e: Buffer.alloc(200, 255).toString('base64url') }
    })
  ],
  ['thumbprint of another key: a proof of the thief', 'dpop_key_mismatch', () => made({}, thief)],
  ['jwk of the owner, signed by the thief', 'dpop_signature', () => made({ key: thief.key })],
  ['signature of another proof', 'dpop_signature', () => `${made().split('.').slice(0, 2).join('.')}.${made().split('.')[2] ?? ''}`],
  ['typ of the access token', 'dpop_type', head({ typ: 'JWT' })],
  ['typ absent', 'dpop_type', head({ typ: undefined })],
  ['the access token as its own proof', 'dpop_type', () => token],
  ['crit', 'dpop_header_not_allowed', head({ crit: ['x'], x: 1 })],
  ['jku', 'dpop_header_not_allowed', head({ jku: 'https://evil.example.com/keys' })],
  ['x5c', 'dpop_header_not_allowed', head({ x5c: [] })],
  ['two proofs joined by a comma', 'dpop_malformed', () => `${made()}, ${made()}`],
  ['two parts', 'dpop_malformed', () => made().split('.').slice(0, 2).join('.')],
  ['padding', 'dpop_malformed', () => `${made()}=`],
  ['a member twice', 'dpop_malformed', () => text((h, p) => [h, p.replace('{', '{"htm":"POST",')])],
  ['a header member twice', 'dpop_malformed', () => text((h, p) => [h.replace('{', '{"alg":"none",'), p])],
  ['a payload that is a list', 'dpop_malformed', () => text((h, p) => [h, `[${p}]`])],
  ['4,097 characters', 'dpop_malformed', () => made().padEnd(4097, 'A')]
]

for (const [name, expected, dpop] of ATTACKS) {
  t.test(`proof: ${name}`, async (t) => {
    const response = await call('/api/private', `DPoP ${token}`, dpop())
    t.equal(response.status, 401)
    t.equal(reason(), expected)
    const error = expected === 'dpop_key_mismatch' ? 'invalid_token' : 'invalid_dpop_proof'
    t.match(response.challenge, new RegExp(`^DPoP realm="scopegate", error="${error}", error_description="[^"]+", algs="RS256 ` +
      '.*ES256.*", resource_metadata="[^"]+", Bearer realm="scopegate", resource_metadata'))
    t.match(response.body, { status: 401, error })
  })
}

t.test('a proof with a point that is not on the curve, of a token that is bound to it', async (t) => {
  const jwk = { ...owner.jwk, y: owner.jwk.x }
  const odd = { ...owner, jwk, jkt: (await import('../../src/oauth/dpop/proof-key.ts')).thumbprint(jwk) }
  const bound = service.issuer.token(boundTo(odd))
  t.equal((await call('/api/private', `DPoP ${bound}`, proof(odd, { url: URL_OF, token: bound }))).status, 401)
  t.equal(reason(), 'dpop_key')
})

t.test('two DPoP headers, and none', async (t) => {
  const request = (...headers: string[]): Promise<string> =>
    raw(service, `GET /api/private HTTP/1.1\r\nHost: x\r\nAuthorization: DPoP ${token}\r\n${headers.join('')}Connection: close\r\n\r\n`)
  const two = await request(`DPoP: ${made()}\r\n`, `dpop: ${made()}\r\n`)
  t.equal(statusOf(two), 401)
  t.equal(reason(), 'dpop_repeated')
  t.equal(headersOf(two).split('\r\n').filter((line) => /^www-authenticate:/i.test(line)).length, 2, 'one line for each challenge')
  t.equal(statusOf(await request('DPoP:\r\n', `DPoP: ${made()}\r\n`)), 401)
  t.equal(reason(), 'dpop_repeated', 'also when the first is empty')
  t.equal(statusOf(await request()), 401)
  t.equal(reason(), 'dpop_missing')
})

t.test('replayed: each proof is used once, by whichever request', async (t) => {
  const dpop = made()
  t.equal((await call('/api/private', `DPoP ${token}`, dpop)).status, 200)
  t.equal((await call('/api/private', `DPoP ${token}`, dpop)).status, 401)
  t.equal(reason(), 'dpop_replayed')
  const jti = 'the same for two keys'
  t.equal((await call('/api/private', `DPoP ${token}`, made({ claims: { jti } }))).status, 200)
  const other = service.issuer.token(boundTo(thief))
  t.equal(
    (await call('/api/private', `DPoP ${other}`, proof(thief, { url: URL_OF, token: other, claims: { jti } }))).status,
    200,
    'of another key it is another proof'
  )
  const [one, two] = [made(), made()]
  const many = await Promise.all([one, two, one, two, one].map(async (dpop) => (await call('/api/private', `DPoP ${token}`, dpop)).status))
  t.same(many.sort(), [200, 200, 401, 401, 401], 'also at the same time')
})

t.test('bearer downgrade through the cache: a token first seen with a proof is never accepted without', async (t) => {
  const fresh = issue({ jti: 'trrtcc:downgrade' })
  t.equal((await call('/api/private', `Bearer ${fresh}`)).status, 401, 'not before it is cached')
  t.equal(reason(), 'bound_token_as_bearer')
  t.equal((await call('/api/private', `DPoP ${fresh}`, made({ token: fresh }))).status, 200)
  const { cacheHits } = service.app.verification.counts
  for (const scheme of ['Bearer ', 'bearer ', 'Bearer  ']) {
    const response = await call('/api/private', scheme + fresh)
    t.equal(response.status, 401, scheme)
    t.equal(reason(), 'bound_token_as_bearer')
    t.match(response.challenge, /^Bearer realm="scopegate", error="invalid_token".*, DPoP realm="scopegate", algs=/)
  }
  t.equal((await call('/api/private', `Bearer ${fresh}`, made({ token: fresh }))).status, 401, 'nor with a proof under the wrong scheme')
  t.equal((await call('/api/private', `DPoP ${fresh}`)).status, 401, 'nor under DPoP without one')
  t.equal(service.app.verification.counts.cacheHits, cacheHits + 5, 'all of them were in the cache')
  t.equal((await call('/api/private', `DPoP ${fresh}`, made({ token: fresh }))).status, 200)
})

t.test('an unbound token under DPoP, and credentials that cannot be read', async (t) => {
  const unbound = service.issuer.token()
  t.equal((await call('/api/private', `DPoP ${unbound}`, made({ token: unbound }))).status, 401)
  t.equal(reason(), 'token_not_bound')
  for (const authorization of ['DPoP', 'DPoP\ta', 'DPoP a b', 'DPoP a,DPoP b']) {
    const response = await call('/api/private', authorization)
    t.equal(response.status, 400, authorization)
    t.match(response.challenge, /^DPoP realm="scopegate", error="invalid_request"/)
  }
  t.equal((await call('/api/private', 'DPoPx a')).status, 401, 'another scheme')
  t.equal(reason(), 'scheme_unsupported')
})

t.test('confirmations that cannot be checked remain refused, beside one that can', async (t) => {
  const { jkt } = owner
  const cnfs = [
    {}, { jkt: 'short' }, { jkt: [jkt] }, { jkt, 'x5t#S256': jkt }, { jkt, jwk: owner.jwk }, { jkt, kid: 'x' }, { 'kc-jkt-type': 'DPoP' }
  ]
  for (const cnf of cnfs) {
    const odd = issue({ cnf })
    t.equal((await call('/api/private', `DPoP ${odd}`, made({ token: odd }))).status, 401, JSON.stringify(cnf))
    t.equal(reason(), 'confirmation_unsupported')
  }
  const kind = service.issuer.token({ typ: 'DPoP' })
  t.equal((await call('/api/private', `DPoP ${kind}`, made({ token: kind }))).status, 401)
  t.equal(reason(), 'wrong_kind')
  const plain = service.issuer.token({ cnf: { jkt } })
  t.equal(
    (await call('/api/private', `DPoP ${plain}`, made({ token: plain }))).status,
    200,
    'of another issuer: typ Bearer, bound by its cnf'
  )
})

t.test('without credentials: both challenges, the algorithms, no error', async (t) => {
  const { status, challenge } = await service.get('/api/private-scoped')
  t.equal(status, 401)
  t.match(
    challenge,
    /^Bearer realm="scopegate", scope="test_api_access", resource_metadata="[^"]+", DPoP realm="scopegate", scope="test_api_access", algs="RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA", resource_metadata="[^"]+"$/
  )
  t.match((await service.get('/.well-known/oauth-protected-resource/orders')).body, {
    dpop_signing_alg_values_supported: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'],
    dpop_bound_access_tokens_required: false
  })
})

t.test('rights are judged after the proof, with the challenge of its scheme', async (t) => {
  const response = await call('/api/private-scoped', `DPoP ${token}`, made({ url: `${PUBLIC_URL}/api/private-scoped` }))
  t.equal(response.status, 403)
  t.match(response.challenge, /^DPoP realm="scopegate", error="insufficient_scope"/)
})
