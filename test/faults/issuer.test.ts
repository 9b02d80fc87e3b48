// In a process of its own: it waits for time-outs.
import t, { type Test } from 'tap'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { startService, until, type Service, type ServiceOptions } from '../support/service.ts'
import { observed, type Observed } from './observed.ts'

/** Rows of docs/reference/fault-matrix.md: what callers and operators see of each fault of the issuer and of tokens. */
const key = newKey('ES256')
const UNAVAILABLE = 'scopegate_condition{condition="issuer_unavailable",severity="degraded"}'
const MISSING = 'scopegate_condition{condition="keys_missing",severity="unavailable"}'

async function start (t: Test, { environment, ...options }: ServiceOptions = {}): Promise<Service & { readonly see: Observed }> {
  const service = await startService(t, { key, ...options, environment: { ALGORITHMS: 'ES256', METRICS: 'on', ...environment } })
  return { ...service, see: observed(service) }
}

t.test('issuer unreachable at the start', async (t) => {
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = (_request, response) => response.socket?.destroy()
  const { get, see, app } = await start(t, { issuer, impatient: true })
  await until(() => see.lines(/cannot be fetched/).length > 0)
  const refused = await get('/api/private', issuer.token())
  t.equal(refused.status, 503)
  t.match(refused.headers.get('retry-after'), /^\d+$/)
  t.equal((await get('/api/public')).status, 200)
  t.match(see.lines(/cannot be fetched .*; protected routes respond 503/), { length: 1 })
  t.same(await see.ready(), { status: 503, conditions: ['keys_missing'] })
  t.same([await see.metric('scopegate_issuer_available'), await see.metric('scopegate_keys_known'), await see.metric(MISSING)], [0, 0, 1])
  t.ok(await see.metric('scopegate_key_fetch_duration_seconds_count{result="failed"}'))
  t.equal(await see.metric('scopegate_refusals_total{reason="issuer_unavailable"}'), 1)
  issuer.behaviour = undefined
  await until(() => app.keyring.state().available, 6_000)
  t.equal((await get('/api/private', issuer.token())).status, 200)
  t.same(
    [await see.metric('scopegate_issuer_available'), await see.metric('scopegate_keys_known'), await see.metric(MISSING)],
    [1, 1, undefined]
  )
})

t.test('issuer unreachable later', async (t) => {
  const { get, issuer, see } = await start(t, { environment: { KEYS_REFRESH_SECONDS: '1' } })
  issuer.behaviour = (_request, response) => response.writeHead(500).end()
  await until(() => see.lines(/cannot be fetched/).length > 0, 20_000)
  t.equal((await get('/api/private', issuer.token())).status, 200)
  t.equal((await get('/api/private', issuer.token({}, { kid: 'new' }))).status, 503)
  t.same(await see.ready(), { status: 200, conditions: ['issuer_unavailable'] })
  t.same(
    [await see.metric('scopegate_issuer_available'), await see.metric('scopegate_keys_known'), await see.metric(UNAVAILABLE)],
    [0, 1, 1]
  )
  t.ok(await see.metric('scopegate_keys_age_seconds'))
  issuer.behaviour = undefined
  await until(() => see.lines(/can be fetched again/).length > 0, 20_000)
  t.match(
    [see.lines(/cannot be fetched .*; the known keys remain in use/), see.lines(/can be fetched again/)],
    [{ length: 1 }, { length: 1 }]
  )
  t.same([await see.metric('scopegate_issuer_available'), await see.metric(UNAVAILABLE)], [1, undefined])
})

t.test('issuer unreachable for longer than KEYS_MAX_STALE_HOURS', async (t) => {
  const { get, issuer, see } = await start(t, { environment: { KEYS_REFRESH_SECONDS: '1', KEYS_MAX_STALE_HOURS: '0' } })
  issuer.behaviour = (_request, response) => response.writeHead(500).end()
  await until(() => see.lines(/could not be reached for KEYS_MAX_STALE_HOURS/).length > 0, 20_000)
  t.equal((await get('/api/private', issuer.token())).status, 503)
  t.same(await see.ready(), { status: 503, conditions: ['keys_missing'] })
  t.same([await see.metric('scopegate_keys_known'), await see.metric(MISSING)], [0, 1])
})

t.test('keys rotated', async (t) => {
  const { get, issuer, see } = await start(t)
  const next = newKey('ES256')
  issuer.published = [key.jwk, next.jwk]
  t.equal((await get('/api/private', issuer.token({}, {}, next))).status, 200)
  t.match(see.lines(/keys have changed/), [{ added: [next.kid], removed: [] }])
  t.same([await see.metric('scopegate_keys_known'), await see.metric('scopegate_key_fetch_duration_seconds_count{result="ok"}')], [2, 2])
})

t.test('keys rotated during a flood of invented key ids', async (t) => {
  const { get, issuer, see } = await start(t)
  for (let at = 0; at < 4; at++) await get('/api/private', issuer.token({}, { kid: `invented-${at}` }))
  const next = newKey('ES256')
  issuer.published = [key.jwk, next.jwk]
  t.equal((await get('/api/private', issuer.token({}, {}, next))).status, 401)
  t.equal(await see.metric('scopegate_refusals_total{reason="key_unknown"}'), 5)
  while ((await get('/api/private', issuer.token({}, {}, next))).status === 401) await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal((await get('/api/private', issuer.token({}, {}, next))).status, 200)
  t.equal(await see.metric('scopegate_keys_known'), 2)
})

t.test('a key withdrawn', async (t) => {
  const { get, issuer, see } = await start(t, { environment: { KEYS_REFRESH_SECONDS: '1' } })
  const token = issuer.token()
  t.equal((await get('/api/private', token)).status, 200)
  const next = newKey('ES256')
  issuer.published = [next.jwk]
  await until(() => see.lines(/keys have changed/).some(({ removed }) => (removed as string[]).includes(key.kid)), 30_000)
  t.equal((await get('/api/private', token)).status, 401)
  t.same([await see.metric('scopegate_keys_known'), await see.metric('scopegate_token_cache_entries')], [1, 0])
  t.equal(await see.metric('scopegate_refusals_total{reason="key_unknown"}'), 1)
})

t.test('two different keys under one kid and alg', async (t) => {
  const issuer = await TestIssuer.start(key)
  const twin = newKey('ES256', 'twin')
  issuer.published = [key.jwk, twin.jwk, newKey('ES256', 'twin').jwk]
  const { get, see } = await start(t, { issuer })
  t.equal((await get('/api/private', issuer.token({}, {}, twin))).status, 401)
  t.equal((await get('/api/private', issuer.token())).status, 200)
  t.match(see.lines(/these keys are not used/), [{ level: 40, kids: ['twin'] }])
  t.same([await see.metric('scopegate_keys_known'), await see.metric('scopegate_refusals_total{reason="key_unknown"}')], [1, 1])
})

for (const [name, token, reason] of [
  ['a flood of invented key ids', (issuer: TestIssuer, n: number) => issuer.token({}, { kid: `invented-${n}` }), 'key_unknown'],
  ['a flood of bad signatures', (issuer: TestIssuer, n: number) =>
    `${issuer.token({ jti: String(n) }).slice(0, -86)}${'A'.repeat(86)}`, 'signature_invalid']
] as const) {
  t.test(name, async (t) => {
    const { get, issuer, see, lines } = await start(t, { environment: { LOG_REFUSALS_PER_SECOND: '5' } })
    const good = issuer.token()
    const statuses = await Promise.all(Array.from({ length: 200 }, (_, n) => get('/api/private', n % 20 === 0 ? good : token(issuer, n))))
    t.same(new Set(statuses.filter((_, n) => n % 20 === 0).map(({ status }) => status)), new Set([200]), 'others are not affected')
    t.same(new Set(statuses.filter((_, n) => n % 20 !== 0).map(({ status }) => status)), new Set([401]))
    t.equal(await see.metric(`scopegate_refusals_total{reason="${reason}"}`), 190)
    t.equal(await see.metric('scopegate_signature_checks_total'), reason === 'signature_invalid' ? 191 : 1)
    const logged = (): number => lines.reduce((sum, line) => sum + (line.reason === reason ? Number(line.notLogged ?? 1) : 0), 0)
    await until(() => logged() === 190)
    t.ok(see.lines(/refused requests without a line of their own/).length > 0)
    t.same(await see.ready(), { status: 200, conditions: [] })
  })
}
