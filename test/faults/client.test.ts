import Fastify from 'fastify'
import t, { type Test } from 'tap'
import metrics from '../../plugins/metrics.ts'
import { scopegate } from '../../plugins/scopegate.ts'
import type { ClientOptions } from '../../src/client/options.ts'
import { client as events, type ClientEvent } from '../../src/events.ts'
import { createTestIssuer } from '../../src/testing.ts'
import { api, json, MINUTE, silentAddress, story, tokens, type Story } from '../client/fakes.ts'
import { valueOf } from './observed.ts'

/** Rows of docs/reference/fault-matrix.md: what a service that calls with the client sees of each fault, and its operators. */
interface Seen extends Story {
  /** Token requests by outcome, as the metrics of the service count them. */
  readonly requested: (outcome: string) => Promise<number | undefined>
  /** Of `scopegate:client`. */
  readonly told: ClientEvent[]
}

/** A service with the guard and the metrics, as published, that calls an API with the client. */
async function start (t: Test, options: Partial<ClientOptions> = {}): Promise<Seen> {
  const own = createTestIssuer()
  const host = Fastify()
  await host.register(scopegate, { issuer: own.issuer, audience: 'reports', keys: own.keys })
  await host.register(metrics)
  const told: ClientEvent[] = []
  const stop = events.subscribe((event) => told.push(event))
  t.teardown(async () => {
    stop()
    await host.close()
  })
  return {
    ...await story(t, options), told,
    requested: async (outcome) =>
      valueOf(await host.metrics.text(), `scopegate_client_token_request_duration_seconds_count{outcome="${outcome}"}`)
  }
}

const LATE = 4 * MINUTE

t.test('token endpoint unreachable, a token is valid', async (t) => {
  const { client, issuer, api, clock, requested } = await start(t)
  await client.fetch('/')
  issuer.respond = json(503, {})
  clock.ms += LATE
  t.equal((await client.fetch('/')).status, 200)
  while (await requested('issuer_unreachable') !== 1) await new Promise((resolve) => setTimeout(resolve, 2))
  t.same([api.seen.length, await requested('ok')], [2, 1])
})

t.test('token endpoint unreachable, no token is valid', async (t) => {
  const { client, issuer, api, clock, requested } = await start(t, { tokenEndpoint: `${await silentAddress()}/token` })
  for (let call = 0; call < 20; call++) await t.rejects(client.fetch('/'), { code: 'issuer_unreachable' })
  t.equal(await requested('issuer_unreachable'), 1, 'a pause before the next one')
  clock.ms += 5_000
  await t.rejects(client.fetch('/'), { code: 'issuer_unreachable' })
  t.same([await requested('issuer_unreachable'), issuer.seen.length, api.seen.length], [2, 0, 0])
})

for (const [name, respond, code] of [
  ['the issuer refuses the credentials', json(401, { error: 'invalid_client' }), 'credentials_refused'],
  ['the issuer refuses the scope', json(400, { error: 'invalid_scope' }), 'scope_refused'],
  ['the issuer refuses the request otherwise', json(400, { error: 'invalid_request' }), 'request_refused'],
  ['the response of the token endpoint is none', json(200, '<html>'), 'issuer_response_invalid']
] as const) {
  t.test(name, async (t) => {
    const { client, issuer, api, told, requested } = await start(t, { scope: ['reports:read'] })
    issuer.respond = respond
    for (let call = 0; call < 20; call++) await t.rejects(client.fetch('/'), { code })
    t.same([issuer.seen.length, api.seen.length, await requested(code)], [1, 0, 1], 'one request, whatever the number of calls')
    t.match(told, [{ event: 'token', outcome: code, scope: ['reports:read'] }])
  })
}

t.test('a secret that cannot be read', async (t) => {
  const { client, issuer, requested } = await start(t, { clientSecret: { file: '/nowhere/secret' } })
  await t.rejects(client.fetch('/'), { code: 'secret_unavailable' })
  t.same([issuer.seen.length, await requested('secret_unavailable')], [0, 1])
})

t.test('the API does not accept the token any more', async (t) => {
  const { client, issuer, api: service, requested } = await start(t)
  await client.fetch('/')
  service.respond = api((token) => token !== 'token-1')
  t.equal((await client.fetch('/')).status, 200)
  t.same([issuer.seen.length, service.seen.length, await requested('ok')], [2, 3, 2])
  service.respond = api(() => false)
  const statuses = await Promise.all(Array.from({ length: 20 }, async () => (await client.fetch('/')).status))
  t.same([new Set(statuses), await requested('ok')], [new Set([401]), 2], 'one new token in ten seconds')
})

t.test('the API requires a scope that the token lacks', async (t) => {
  const { client, api: service, requested } = await start(t)
  service.respond = json(403, {}, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="reports:write"' })
  await t.rejects(client.fetch('/'), { code: 'insufficient_scope', missing: ['reports:write'] })
  t.same([service.seen.length, await requested('ok')], [1, 1])
})

t.test('the API is overloaded', async (t) => {
  const { client, api: service } = await start(t)
  service.respond = json(503, {}, { 'retry-after': '0' })
  t.equal((await client.fetch('/')).status, 503)
  t.equal(service.seen.length, 3, 'two more attempts')
  t.equal((await client.fetch('/', { method: 'POST', body: '{}' })).status, 503)
  t.equal(service.seen.length, 4, 'none of what is not idempotent')
})

t.test('the API is unreachable', async (t) => {
  const { client, requested } = await start(t, { apiUrl: await silentAddress() })
  await t.rejects(client.fetch('/'), { code: 'api_unreachable' })
  t.equal(await requested('ok'), 1)
})

t.test('an issuer that grants fewer scopes than requested', async (t) => {
  const { client, issuer, told, requested } = await start(t, { scope: ['reports:read'] })
  issuer.respond = tokens({ scope: 'email' })
  t.equal((await client.fetch('/')).status, 200)
  t.match(told, [{ event: 'token', outcome: 'ok' }, { event: 'warning', code: 'scope_not_listed' }])
  t.equal(await requested('ok'), 1)
})
