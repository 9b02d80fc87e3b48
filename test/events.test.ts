import { channel } from 'node:diagnostics_channel'
import Fastify from 'fastify'
import t, { type Test } from 'tap'
import { scopegate } from '../plugins/scopegate.ts'
import * as events from '../src/events.ts'
import { createTestIssuer } from '../src/testing.ts'
import { json, story } from './client/fakes.ts'
import { newKey, TestIssuer } from './support/issuer.ts'
import { startService, until } from './support/service.ts'

const key = newKey('RS256')

/** Every message of a channel by its name, as a program that knows nothing of us would listen. */
function listenTo (t: Test, name: string): Array<Record<string, unknown>> {
  const received: Array<Record<string, unknown>> = []
  const onMessage = (message: unknown): void => { received.push(message as Record<string, unknown>) }
  const source = channel(name)
  source.subscribe(onMessage)
  t.teardown(() => source.unsubscribe(onMessage))
  return received
}

t.test('scopegate:verified says who calls, and whether the token was known', async (t) => {
  const received = listenTo(t, 'scopegate:verified')
  const { get, issuer } = await startService(t, { key })
  const token = issuer.token()
  const responses = [await get('/api/private', token), await get('/api/private', token), await get('/api/public', token)]
  t.same(responses.map(({ status }) => status), [200, 200, 200])
  const ids = responses.map(({ headers }) => headers.get('x-request-id'))
  const common = { issuer: issuer.issuer, clientId: 'test_client', subject: 'ac020a67', method: 'GET', route: '/api/private' }
  t.match(received, [
    { ...common, cached: false, durationMs: Number, requestId: ids[0] },
    { ...common, cached: true, durationMs: undefined, requestId: ids[1] }
  ])
  t.equal(received.length, 2, 'nobody is known on a public route')
  t.notMatch(JSON.stringify(received), token.slice(-20))
})

t.test('scopegate:refused says why, once for each refused response, in the service and in a host', async (t) => {
  const received = listenTo(t, 'scopegate:refused')
  const { get, issuer } = await startService(t, { key })
  await get('/api/private')
  await get('/api/private', issuer.token({ aud: 'other', azp: 'stranger' }))
  await get('/api/private-scoped', issuer.token())
  await get('/nowhere')
  t.match(received, [
    {
      reason: 'credentials_missing', status: 401, method: 'GET', route: '/api/private', hint: String, address: String, clientId: undefined
    },
    { reason: 'audience_mismatch', status: 401, unverifiedClient: 'stranger', clientId: undefined },
    { reason: 'scope_missing', status: 403, route: '/api/private-scoped', clientId: 'test_client' }
  ])
  t.equal(received.length, 3)

  const test = createTestIssuer({ alg: 'ES256' })
  for (const errors of ['problem', 'throw'] as const) {
    received.length = 0
    const app = Fastify()
    await app.register(scopegate, { issuer: test.issuer, audience: 'api', algorithms: ['ES256'], keys: test.keys, errors })
    app.get('/', { config: { auth: { scopes: [] } } }, (request) => {
      if (request.headers['x-forgiving'] === undefined) request.requireScope('two')
      else try { request.requireScope('two') } catch { return 'without two' }
      return 'never'
    })
    const headers = { authorization: `Bearer ${test.sign({ aud: 'api', azp: 'job' })}` }
    t.equal((await app.inject({ url: '/', headers: { ...headers, 'x-forgiving': 'yes' } })).statusCode, 200)
    t.equal(received.length, 0, 'a refusal that the handler catches is none')
    t.equal((await app.inject({ url: '/', headers })).statusCode, 403)
    t.match(received, [{ reason: 'scope_missing', status: 403, clientId: 'job', route: '/' }], errors)
    t.equal(received.length, 1)
    await app.close()
  }
})

t.test('scopegate:keys says how each fetch ended, and what has changed', async (t) => {
  const received = listenTo(t, 'scopegate:keys')
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = (_request, response) => response.writeHead(500).end()
  const { app } = await startService(t, { issuer, impatient: true })
  await until(() => received.length >= 2)
  t.match(received, [
    { event: 'fetched', issuer: issuer.issuer, result: 'failed', durationMs: Number, knownKeys: 0, error: 'status 500' },
    { event: 'unavailable', issuer: issuer.issuer, error: 'status 500', knownKeys: 0 }
  ])
  issuer.behaviour = undefined
  await until(() => app.keyring.state().knownKeys > 0)
  const since = received.filter(({ event, result }) => event !== 'fetched' || result === 'ok').slice(1)
  t.match(since, [
    { event: 'loaded', kids: [key.kid] },
    { event: 'available', afterMs: Number },
    { event: 'fetched', result: 'ok', knownKeys: 1 }
  ])
})

t.test('scopegate:client says how each token request ended', async (t) => {
  const received = listenTo(t, 'scopegate:client')
  const { issuer, client } = await story(t, { scope: ['one'] })
  issuer.respond = json(200, { access_token: 'the-token', token_type: 'Bearer', expires_in: 300, scope: 'other' })
  await Promise.all([client.token(), client.token()])
  t.match(received, [
    { event: 'token', outcome: 'ok', clientId: String, scope: ['one'], durationMs: Number },
    { event: 'warning', code: 'scope_not_listed', message: String }
  ])
  issuer.respond = json(400, { error: 'invalid_scope' })
  await t.rejects(client.token(['two']), { code: 'scope_refused' })
  t.match(received.at(-1), { event: 'token', outcome: 'scope_refused', scope: ['two'] })
  t.equal(received.length, 3)
  t.notMatch(JSON.stringify(received), 'the-token')
})

t.test('a subscription can be ended', (t) => {
  const received: unknown[] = []
  const end = events.client.subscribe((event) => received.push(event))
  t.equal(events.client.hasSubscribers, true)
  const event = { event: 'token', clientId: 'c', scope: [], outcome: 'ok', durationMs: 1 } as const
  events.client.publish(event)
  end()
  t.equal(events.client.hasSubscribers, false)
  events.client.publish(event)
  t.same(received, [event])
  t.end()
})
