import { createHmac, verify } from 'node:crypto'
import t from 'tap'
import {
  ATTACKS, attackersKey, b64, GOOD, key, now, PUBLIC_KEY_TEXTS, publicKey, respelt, signedWithSecret, spki
} from './support/attacks.ts'
import { newKey, signInput, TestIssuer, type Json } from './support/issuer.ts'
import { startService, type Service } from './support/service.ts'

async function refusedFor (service: Service, token: string): Promise<{ status: number, reason: unknown }> {
  const { status } = await service.get('/api/private', token)
  return { status, reason: service.lines.findLast((line) => line.msg === 'request')?.reason }
}

t.test('a token that is not ours gets 401, for the right reason, with one text for all', async (t) => {
  const service = await startService(t, { key })
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200, 'the token that all attacks start from is good')
  const bodies = new Set<string>()
  for (const [name, reason, token] of ATTACKS) {
    const response = await service.get('/api/private', token(service.issuer))
    const line = service.lines.findLast((one) => one.msg === 'request')
    t.match({ status: response.status, reason: line?.reason }, { status: 401, reason }, name)
    t.match(response.challenge, /^Bearer realm="scopegate", error="invalid_token", error_description="[^"]+"$/, `${name}: challenge`)
    bodies.add(JSON.stringify({ ...response.body, request_id: '' }))
  }
  t.equal(bodies.size, 1, 'the responses do not tell the reasons apart')
  t.notOk(service.lines.some((line) => /eyJ[\w-]{20,}\./.test(JSON.stringify(line))), 'no token in the log')
})

t.test('each attack has the property of its name: without the rule of that name the token would be a good one', async (t) => {
  const issuer = await TestIssuer.start(key)
  t.teardown(() => issuer.stop())
  const decoded = (part = ''): Json => JSON.parse(Buffer.from(part, 'base64url').toString()) as Json
  const bytesOf = (token: string): Buffer => Buffer.from(token.split('.')[2] ?? '', 'base64url')
  for (const [name, secret] of PUBLIC_KEY_TEXTS) {
    const token = signedWithSecret(issuer, 'HS256', secret)
    const [head, payload] = token.split('.')
    t.same([decoded(head), decoded(payload)], [issuer.header({ alg: 'HS256' }), issuer.claims()], `${name}: nothing but alg differs`)
    t.same(bytesOf(token), createHmac('sha256', secret).update(`${head ?? ''}.${payload ?? ''}`).digest(), name)
    t.notMatch(secret.toString(), /PRIVATE KEY|"d":/, `${name}: what everybody has`)
  }
  t.match(spki, /^-----BEGIN PUBLIC KEY-----\n[^]+\n$/)
  const good = issuer.token()
  const other = respelt(good)
  t.not(other, good)
  t.same(bytesOf(other), bytesOf(good), 'another text of the same signature')
  for (const [name, reason, token] of ATTACKS) {
    if (['signature_invalid', 'not_base64url', 'not_three_parts', 'token_encrypted'].includes(reason) || /alg |attacker/.test(name)) {
      continue
    }
    const [head = '', payload = '', signature = ''] = token(issuer).split('.')
    t.ok(
      verify('sha256', Buffer.from(`${head}.${payload}`), publicKey, Buffer.from(signature, 'base64url')),
      `${name}: signed by the issuer's key`
    )
  }
})

t.test('no token chooses where keys are fetched: only the issuer receives a request', async (t) => {
  const attacker = await TestIssuer.start(attackersKey)
  t.teardown(() => attacker.stop())
  const service = await startService(t, { key })
  const forged = attacker.token({ iss: attacker.issuer }, { jku: undefined })
  t.same(await refusedFor(service, forged), { status: 401, reason: 'issuer_mismatch' })
  t.same(
    await refusedFor(service, attacker.token({ iss: service.issuer.issuer }, { jku: attacker.jwksUrl })),
    { status: 401, reason: 'header_not_allowed' }
  )
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
  t.same(
    await refusedFor(service, service.issuer.token({ exp: now() })),
    { status: 401, reason: 'expired' },
    'on exp: refused (RFC 7519: on or after)'
  )
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
  for (const typ of ['at+jwt', 'application/at+jwt', 'AT+JWT']) {
    t.equal((await service.get('/api/private', at({}, { typ }))).status, 200, typ)
  }
  t.equal((await service.get('/api/private', at({ typ: undefined, azp: undefined }))).status, 200, 'an issuer other than Keycloak')
  for (const typ of ['JWT', undefined]) t.same(await refusedFor(service, at({}, { typ })), { status: 401, reason: 'wrong_header_type' })
  for (const claim of ['iss', 'exp', 'sub', 'client_id', 'iat', 'jti']) {
    t.same(await refusedFor(service, at({ [claim]: undefined })), { status: 401, reason: 'claim_missing' }, claim)
  }
  t.same(await refusedFor(service, at({ typ: 'ID' })), { status: 401, reason: 'wrong_kind' })
})

t.test('good tokens of every spelling are accepted', async (t) => {
  const service = await startService(t, { key, environment: { ALGORITHMS: 'RS256, ES256 EdDSA,PS256' } })
  const es = newKey('ES256')
  const ed = newKey('EdDSA')
  const ps = newKey('PS256')
  service.issuer.published = [key.jwk, es.jwk, ed.jwk, { ...ps.jwk, alg: undefined }]
  for (const [name, token] of [
    ...GOOD.filter(([name]) => name !== 'kid of 255 characters'),
    ['ES256', (i: TestIssuer) => i.token({}, {}, es)], ['EdDSA', (i: TestIssuer) => i.token({}, {}, ed)],
    ['PS256, key without alg', (i: TestIssuer) => i.token({}, {}, ps)]
  ] as typeof GOOD) t.equal((await service.get('/api/private', token(service.issuer))).status, 200, name)
  const long = GOOD.find(([name]) => name === 'kid of 255 characters')
  t.same(
    await refusedFor(service, long?.[1](service.issuer) ?? ''),
    { status: 401, reason: 'key_unknown' },
    'a long kid is read, and not known'
  )
})

t.test('AUDIENCE=* accepts any audience and none, and reports this at start and in readiness', async (t) => {
  const service = await startService(t, { key, environment: { AUDIENCE: '*' } })
  for (const aud of ['account', undefined, ['x', 'y']]) {
    t.equal((await service.get('/api/private', service.issuer.token({ aud }))).status, 200)
  }
  t.match((await service.get('/health/ready')).body, { status: 'ok', conditions: { any_audience: /AUDIENCE/ } })
})

t.test('a newcomer finds the fix in the log', async (t) => {
  const service = await startService(t, { key })
  await service.get('/api/private', service.issuer.token({ aud: 'account' }))
  t.match(service.lines.at(-1), {
    reason: 'audience_mismatch', detail: 'aud "account"', hint: /Add mapper, By configuration, Audience.*test_api/
  })
  await service.get('/api/private-scoped', service.issuer.token())
  t.match(service.lines.at(-1), { status: 403, reason: 'scope_missing', hint: /Include in token scope/, client: 'test_client' })
})
