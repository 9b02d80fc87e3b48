import { join } from 'node:path'
import t from 'tap'
import { diagnose } from '../support/doctor.ts'
import { TestIssuer, type Json } from '../support/issuer.ts'

const issuer = await TestIssuer.start()
t.teardown(() => issuer.stop())
const env = { ISSUER: issuer.issuer, AUDIENCE: 'test_api' }
const routes = ['--route', 'GET /api/private']

t.test('tokens bound to a key: refused, or what the caller must prove', async (t) => {
  const bound = issuer.token({ cnf: { jkt: 'a'.repeat(43) } })
  const refused = await diagnose(routes, { env, input: bound })
  t.match(refused.checks(), [{ name: 'confirmation_unsupported', cause: 'cnf ["jkt"]' }])
  const accepted = await diagnose(routes, { env: { ...env, DPOP: 'allowed', PUBLIC_URL: 'http://localhost:50100' }, input: bound })
  t.match(accepted.token, { accepted: true })
  t.match(accepted.checks('ok').find(({ name }) => name === 'binding')?.cause, /Authorization: DPoP/)
  t.same(
    (await diagnose(routes, { env: { ...env, DPOP: 'required', PUBLIC_URL: 'http://localhost:50100' }, input: issuer.token() })).names(),
    ['binding_required']
  )
  const withCertificate = { ...env, CLIENT_CERTIFICATE: 'header', TRUST_PROXY: 'loopback' }
  const certificate = await diagnose(routes, { env: withCertificate, input: issuer.token({ cnf: { 'x5t#S256': 'a'.repeat(43) } }) })
  t.match(certificate.checks('ok').find(({ name }) => name === 'binding')?.title, /client certificate/)
})

t.test('a route that requires a bound token: one line of its own for a token that is not, and the others are checked too', async (t) => {
  const row = (url: string, access: Json): Json => ({
    method: 'GET',
    url,
    access: {
      mode: 'protected', scopes: [], anyScope: [], realmRoles: [], clientRoles: {}, clientId: false, bound: false,
      challengeScopes: [], ...access
    }
  })
  const matrix = (...rows: readonly Json[]): string => join(t.testdir({ 'matrix.json': JSON.stringify(rows) }), 'matrix.json')
  const file = matrix(row('/b', { bound: true }), row('/c', { bound: true, scopes: ['c'], challengeScopes: ['c'] }), row('/f', {}))
  const allowed = { ...env, DPOP: 'allowed', PUBLIC_URL: 'http://localhost:50100' }
  const unbound = await diagnose(['--access', file], { env: allowed, input: issuer.token() })
  t.equal(unbound.exit, 1)
  t.match(unbound.token, { accepted: true })
  t.same(unbound.names(), ['binding_required', 'binding_required', 'scope_missing'])
  t.match(unbound.checks()[0], {
    title: 'GET /b (valid token: bound to a key)', cause: /the route \(config\.auth\.bound\) only tokens that are bound to a key/, fix: /DPoP proof/
  })
  t.match(unbound.checks('ok').at(-1), { name: 'route', title: 'GET /f (any valid token)' })
  const required = await diagnose(['--access', file], { env: { ...allowed, DPOP: 'required' }, input: issuer.token() })
  t.same(required.names(), ['binding_required', 'scope_missing'], 'of the token, not of each route again')
  t.match(required.checks('skipped').at(-1), { title: 'GET /f (valid token: bound to a key)', cause: /refused before/ })
  const bound = await diagnose(['--access', file, '--route', '/b'], { env: allowed, input: issuer.token({ cnf: { jkt: 'a'.repeat(43) } }) })
  t.same(bound.names(), [])
  for (const access of [
    { mode: 'guarded' }, { scopes: [1] }, { clientRoles: { a: 'b' } }, { clientRoles: { a: null } }, { clientRoles: null },
    { kind: 'robot' }
  ]) {
    t.match(await diagnose(['--access', matrix(row('/f', access))], { env, json: false }), { exit: 2, err: /not an access matrix/ })
  }
})

t.test('dates that are absent or not dates: nothing is computed from them', async (t) => {
  const cases: ReadonlyArray<readonly [claims: Json, names: string[], skipped: string[]]> = [
    [{ exp: undefined }, ['claim_missing'], ['expired', 'lifetime_too_long']],
    [{ exp: 'soon' }, ['claim_type'], ['expired', 'lifetime_too_long']],
    [{ exp: [] }, ['claim_type'], ['expired', 'lifetime_too_long']],
    [{ nbf: 'x', iat: {} }, ['claim_type'], ['not_yet_valid', 'issued_in_future']]
  ]
  for (const [claims, names, skipped] of cases) {
    const input = issuer.token({ scope: 'test_api_access', ...claims })
    const { names: found, checks, out } = await diagnose(['--offline'], { env, input })
    t.same(found(), names, JSON.stringify(claims))
    t.same(checks('skipped').map(({ name }) => name).filter((name) => skipped.includes(name)), skipped)
    t.notMatch(out, /NaN|Infinity/)
  }
})

t.test('the head of a request is read as the service reads it: scheme, binding and DPoP lines', async (t) => {
  const bound = issuer.token({ cnf: { jkt: 'a'.repeat(43) } })
  const both = issuer.token({ cnf: { jkt: 'a'.repeat(43), 'x5t#S256': 'a'.repeat(43) } })
  const unbound = issuer.token()
  const allowed = { ...env, DPOP: 'allowed', PUBLIC_URL: 'http://localhost:50100' }
  const head = (...lines: readonly string[]): string => ['GET /api/private HTTP/1.1', ...lines].map((line) => `> ${line}\n`).join('')
  const cases: ReadonlyArray<readonly [input: string, reason: string | undefined, settings?: Record<string, string>]> = [
    [head(`Authorization: DPoP ${bound}`, 'DPoP: a.b.c'), undefined],
    [head(`authorization: dpop  ${bound}`, 'dpop: a.b.c'), undefined],
    [head(`Authorization: DPoP ${bound}`), 'dpop_missing'],
    [head(`Authorization: DPoP ${bound}`, 'DPoP:'), 'dpop_missing'],
    [head(`Authorization: DPoP ${bound}`, 'DPoP:', 'DPoP:'), 'dpop_repeated'],
    [head(`Authorization: DPoP ${bound}`, 'DPoP: ', 'DPoP: a.b.c'), 'dpop_repeated'],
    [`Authorization: DPoP ${bound}`, undefined],
    [`DPoP ${bound}`, undefined],
    [bound, undefined],
    [JSON.stringify({ access_token: bound, token_type: 'DPoP' }), undefined],
    [head(`Authorization: Bearer ${bound}`), 'bound_token_as_bearer'],
    [`Bearer ${bound}`, 'bound_token_as_bearer'],
    [head(`Authorization: DPoP ${unbound}`, 'DPoP: a.b.c'), 'token_not_bound'],
    [head(`Authorization: Bearer ${unbound}`), undefined],
    [head(`Authorization: Bearer ${unbound}`), 'binding_required', { ...allowed, DPOP: 'required' }],
    [head(`Authorization: DPoP ${bound}`, 'DPoP: a.b.c'), 'scheme_unsupported', env],
    [head('Authorization: DPoP a b'), 'credentials_malformed'],
    [`DPoP ${bound}\nDPoP ${bound}`, 'no_token']
  ]
  for (const [input, reason, settings = allowed] of cases) {
    const { names, token, out } = await diagnose(routes, { env: settings, input })
    t.same(names(), reason === undefined ? [] : [reason], input.replaceAll(/eyJ[\w.-]+/g, '…'))
    if (reason !== 'no_token') t.match(token, reason === undefined ? { accepted: true } : { accepted: false, reason })
    t.notMatch(out, bound.split('.')[1]!)
  }
  const whole = await diagnose(routes, { env: allowed, input: head(`Authorization: DPoP ${bound}`, 'DPoP: a.b.c') })
  t.match(whole.checks('skipped'), [{ name: 'dpop_proof', cause: /for one request/ }])
  const certificate = await diagnose(routes, { env: { ...allowed, CLIENT_CERTIFICATE: 'header', TRUST_PROXY: 'loopback' }, input: both })
  t.match(certificate.checks('ok').find(({ name }) => name === 'binding'), { title: /DPoP key.*client certificate/ })
  const faulty = await diagnose(routes, { env: { ...env, DPOP: 'required' }, input: head(`Authorization: DPoP ${bound}`, 'DPoP: a.b.c') })
  t.same(faulty.names(), ['configuration'], 'a configuration with another error: DPOP is read all the same')
})
