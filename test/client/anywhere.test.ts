import { execFile } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import t from 'tap'
import { Agent, fetch as undiciFetch, request } from 'undici'
import type { Dispatcher } from 'undici'
import { createClient } from '../../src/client/client.ts'
import type { ClientWarning } from '../../src/client/client.ts'
import { MOST_TOKENS } from '../../src/client/token-sources.ts'
import { api as apiOf, json, listen, story, tokens } from './fakes.ts'

const REFUSED = { 'www-authenticate': 'Bearer error="invalid_token"' }

t.test('wrap: a given fetch with a token for the API, and without for every other address', async (t) => {
  const { client, api, issuer } = await story(t)
  const other = await listen(t, json(200, {}))
  for (const wrapped of [client.wrap(), client.wrap(fetch), client.wrap(undiciFetch as never)]) {
    api.seen.length = other.seen.length = 0
    t.equal((await wrapped(`${api.url}/x`, { headers: { a: 'b' }, method: 'POST', body: 'c' })).status, 200)
    t.match(api.seen[0], { path: '/x', body: 'c', method: 'POST', headers: { a: 'b', authorization: 'Bearer token-1' } })
    await wrapped(new URL(`${api.url}/y`))
    t.match(api.seen[1], { path: '/y', headers: { authorization: 'Bearer token-1' } })
    await wrapped(`${other.url}/z`)
    t.equal(other.seen[0]!.headers.authorization, undefined)
    await t.rejects(wrapped('/relative'), TypeError)
  }
  api.seen.length = 0
  await client.wrap()(new Request(`${api.url}/request`, { method: 'PUT', headers: { c: 'd' }, body: 'e' }))
  t.match(api.seen[0], { path: '/request', method: 'PUT', body: 'e', headers: { c: 'd', authorization: 'Bearer token-1' } })
  t.equal(issuer.seen.length, 1)
})

t.test('wrap: a refused token is replaced, a missing scope is a warning, a redirect is not followed', async (t) => {
  const warnings: ClientWarning[] = []
  const { client, api } = await story(t, { onWarning: (warning) => warnings.push(warning) })
  const wrapped = client.wrap()
  api.respond = apiOf((token) => token === 'token-2')
  t.equal((await wrapped(`${api.url}/`, { method: 'POST', body: 'x' })).status, 200)
  t.equal(api.seen.length, 2)
  api.respond = json(403, {}, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="more"' })
  t.equal((await wrapped(`${api.url}/`)).status, 403)
  t.match(warnings, [{ code: 'insufficient_scope', scopes: ['more'], message: /requires the scope more/ }])
  api.respond = (response) => response.writeHead(302, { location: '/elsewhere' }).end()
  await t.rejects(wrapped(`${api.url}/`), { code: 'api_redirected' })
  t.equal((await wrapped(`${api.url}/`, { redirect: 'manual' })).status, 302)
  await t.rejects(wrapped(new Request(`${api.url}/`, { redirect: 'error' })), TypeError)
})

/** As a stream of undici: status and body. */
async function dispatched (dispatcher: Dispatcher, url: string, options: Parameters<typeof request>[1] = {}): Promise<[number, string]> {
  const { statusCode, body } = await request(url, { ...options, dispatcher })
  return [statusCode, await body.text()]
}

t.test('interceptor: the token on the way out, also for a fetch', async (t) => {
  const { client, api, issuer } = await story(t)
  const other = await listen(t, json(200, {}))
  const agent = new Agent()
  t.teardown(() => agent.close())
  const dispatcher = agent.compose(client.interceptor())
  const forms = [{ a: 'b', Authorization: 'x' }, ['a', 'b', 'authorization', 'x'], new Map([['a', 'b']])]
  for (const headers of forms) {
    t.same(await dispatched(dispatcher, `${api.url}/x?y`, { headers, method: 'POST', body: 'c' }), [200, '{"message":"in"}'])
    t.match(api.seen.at(-1), { path: '/x?y', body: 'c', headers: { a: 'b', authorization: 'Bearer token-1' } })
  }
  const options: object = { dispatcher }
  t.same(await (await fetch(`${api.url}/f`, options)).json(), { message: 'in' })
  t.same(await dispatched(dispatcher, `${other.url}/`), [200, '{}'])
  t.equal(other.seen[0]!.headers.authorization, undefined)
  t.equal(issuer.seen.length, 1)
})

t.test('interceptor: a refused token is replaced once; what cannot be sent again is passed on', async (t) => {
  const { client, api, issuer, clock } = await story(t)
  const agent = new Agent()
  t.teardown(() => agent.close())
  const dispatcher = agent.compose(client.interceptor())
  api.respond = apiOf((token) => token === 'token-2')
  t.same(await dispatched(dispatcher, `${api.url}/`, { method: 'PUT', body: Buffer.from('x') }), [200, '{"message":"in"}'])
  t.same(api.seen.map(({ body }) => body), ['x', 'x'])

  api.respond = json(401, 'refused', REFUSED)
  t.same(await dispatched(dispatcher, `${api.url}/`), [401, 'refused'], 'not twice in ten seconds')
  t.equal(issuer.seen.length, 2)
  clock.ms += 10_000
  api.respond = json(401, 'x'.repeat(100_000), REFUSED)
  const [status, body] = await dispatched(dispatcher, `${api.url}/`)
  t.same([status, body.length], [401, 100_000], 'a long one is passed on')
  clock.ms += 10_000
  api.seen.length = 0
  t.equal((await dispatched(dispatcher, `${api.url}/`, { method: 'POST', body: Readable.from([Buffer.from('x')]) }))[0], 401)
  t.equal(api.seen.length, 1)

  const broken = await story(t)
  broken.issuer.respond = json(401, { error: 'invalid_client' })
  await t.rejects(dispatched(agent.compose(broken.client.interceptor()), `${broken.api.url}/`), { code: 'credentials_refused' })
  broken.issuer.respond = tokens()
  broken.clock.ms += 30_000
  broken.api.respond = (response) => response.destroy()
  await t.rejects(dispatched(agent.compose(broken.client.interceptor()), `${broken.api.url}/`), { code: 'UND_ERR_SOCKET' })
})

t.test('several APIs: each has its own wall, scope, audience and resource', async (t) => {
  const first = await listen(t, json(200, { at: 'first' }))
  const second = await listen(t, json(200, { at: 'second' }))
  const { client, issuer } = await story(t, {
    scope: ['a'],
    resource: 'https://r.example',
    apiUrl: [
      `${first.url}/v1`,
      { url: `${second.url}/`, scope: ['b'], audience: 'two', resource: ['https://x.example', 'https://y.example'] },
      { url: `${second.url}/inner` }
    ]
  })
  t.same(await (await client.fetch('x')).json(), { at: 'first' })
  t.equal(first.seen[0]!.path, '/v1/x')
  t.same(await (await client.fetch(`${second.url}/x`)).json(), { at: 'second' })
  await client.fetch(`${second.url}/inner/x`)
  await client.fetch('x', { audience: 'three', scope: ['c'] })
  t.same(issuer.seen.map(({ form }) => [form.get('scope'), form.get('audience'), form.getAll('resource')]), [
    ['a', null, ['https://r.example']],
    ['b', 'two', ['https://x.example', 'https://y.example']],
    ['c', 'three', ['https://r.example']]
  ])
  await t.rejects(client.fetch(`${first.url}/v2/x`), { code: 'settings_invalid', message: /a path below http:.*\/v1\/ or http:/ })
  await t.rejects(client.fetch('x', { resource: 'no address' }), { message: /^resource: / })
  await t.rejects(client.token({ audience: '' }), { message: /^audience: / })
  const all = { tokenEndpoint: 'https://issuer.example/token', clientId: 'id', clientSecret: 's' }
  for (const apiUrl of [[], [{}], [{ url: 'https://x.example', scope: 'x' }], 1]) {
    t.throws(() => createClient({ ...all, apiUrl: apiUrl as never }), { code: 'settings_invalid' })
  }
  t.throws(
    () => createClient({ ...all, apiUrl: 'https://x.example', maxRetryAfterMs: 60_001, stepUp: 1 as never }),
    { message: /maxRetryAfterMs: .*stepUp: true or false/ }
  )
})

t.test(`at most ${MOST_TOKENS} tokens are kept: those used last`, async (t) => {
  const { client, issuer } = await story(t)
  for (let at = 0; at < MOST_TOKENS; at++) await client.token([`s${at}`])
  await client.token(['s0'])
  t.equal(issuer.seen.length, MOST_TOKENS)
  await client.token(['one-more'])
  await client.token(['s0'])
  t.equal(issuer.seen.length, MOST_TOKENS + 1)
  await client.token(['s1'])
  t.equal(issuer.seen.length, MOST_TOKENS + 2, 's1 had been used least recently')
})

t.test('a machine that sleeps, and a time of day that jumps: a token is never used after its end', async (t) => {
  const { issuer, api, options } = await story(t)
  const { now, ...others } = options
  t.equal(typeof now, 'function')
  const client = createClient(others)
  t.teardown(() => client.close())
  const timeOfDay = Date.now
  let jumpMs = 0
  Date.now = () => timeOfDay() + jumpMs
  t.teardown(() => { Date.now = timeOfDay })
  await client.token()
  jumpMs = 500
  await client.token()
  jumpMs = -3_600_000
  await client.token()
  t.equal(issuer.seen.length, 1, 'a correction, and a clock that was set back')
  jumpMs += 301_000
  t.equal(await client.token(), 'token-2', 'five minutes of sleep, in which the monotonic clock stands still')
  t.equal(api.seen.length, 0)
})

t.test('events: each token request and each warning', async (t) => {
  const events: unknown[] = []
  const hear = (event: unknown): void => { events.push(event) }
  subscribe('scopegate:client', hear)
  t.teardown(() => unsubscribe('scopegate:client', hear))
  const { client, issuer } = await story(t, { scope: ['one'] })
  issuer.respond = tokens({ scope: 'other' })
  await client.token()
  issuer.respond = json(400, { error: 'invalid_scope' })
  await t.rejects(client.token(['two']))
  t.match(events, [
    { event: 'token', clientId: 'client one', scope: ['one'], outcome: 'ok', durationMs: Number },
    { event: 'warning', scope: ['one'], code: 'scope_not_listed' },
    { event: 'token', scope: ['two'], outcome: 'scope_refused' }
  ])
})

t.test('an idle client does not keep the process', async (t) => {
  const { issuer, api } = await story(t)
  const script = `import { createClient } from ${JSON.stringify(pathToFileURL('dist/src/client/client.js').href)}
const client = createClient({ tokenEndpoint: ${JSON.stringify(issuer.url)}, clientId: 'id', clientSecret: 's', \
  apiUrl: ${JSON.stringify(api.url)} })
const response = await client.fetch('/')
console.log(response.status, await response.text())`
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000 })
  t.match(stdout, /^200 \{"message":"in"\}/)
})
