import { getEventListeners } from 'node:events'
import t from 'tap'
import { InsufficientScope } from '../../src/client/client.ts'
import type { ApiRequest } from '../../src/client/client.ts'
import { gate, json, story, tokens, until } from './fakes.ts'
import type { Respond } from './fakes.ts'

const lacks = (scope: string): Respond =>
  json(403, { error: 'insufficient_scope' }, { 'www-authenticate': `Bearer realm="x", error="insufficient_scope", scope="${scope}"` })

/** An API that requires these scopes of the token, whose value says them here. */
function requires (...scopes: readonly string[]): Respond {
  return (response, seen) => {
    const has = (seen.headers.authorization ?? '').replace('Bearer scopes-', '').split('~')
    if (scopes.every((scope) => has.includes(scope))) json(200, { has })(response, seen)
    else lacks(scopes.join(' '))(response, seen)
  }
}

const named: Respond = (response, seen) => json(200, {
  access_token: `scopes-${(seen.form.get('scope') ?? '').split(' ').join('~')}`, token_type: 'Bearer', expires_in: 300
})(response, seen)

t.test('a missing scope is an error that names it, and has the response', async (t) => {
  const { client, api, issuer } = await story(t, { scope: ['a'] })
  api.respond = lacks('a b c')
  const error = await client.fetch('/').then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof InsufficientScope)) throw new Error('another error')
  t.match(error, {
    code: 'insufficient_scope',
    required: ['a', 'b', 'c'],
    missing: ['b', 'c'],
    message: /requires the scope a b c .* b c was not requested: add it to scope, or set stepUp/
  })
  t.equal(error.response.status, 403)
  t.same(await error.response.json(), { error: 'insufficient_scope' })
  t.equal(issuer.seen.length, 1)
  t.equal(api.seen.length, 1)
  api.respond = lacks('a')
  await t.rejects(client.fetch('/'), {
    missing: [], message: /it was requested, but the token does not have it: in Keycloak switch on "Include in token scope"/
  })
  api.respond = (response, seen) => lacks(seen.headers.authorization!.slice(7))(response, seen)
  t.equal((await client.fetch('/')).status, 403, 'the token itself as a scope is not repeated in an error')
})

t.test('stepUp: the union is requested once, and remembered', async (t) => {
  const { client, api, issuer } = await story(t, { scope: ['a'], stepUp: true })
  issuer.respond = named
  api.respond = requires('a', 'b')
  t.equal((await client.fetch('/', { method: 'POST', body: 'x' })).status, 200)
  t.same(api.seen.map(({ body }) => body), ['x', 'x'])
  t.same(issuer.seen.map(({ form }) => form.get('scope')), ['a', 'a b'])
  t.equal((await client.fetch('/')).status, 200)
  t.equal(api.seen.length, 3, 'the next call has the scope at once')
  t.equal(issuer.seen.length, 2)
  t.equal(await client.token(), 'scopes-a', 'a token without an API is as it was')
})

t.test('stepUp ends: refused again, refused by the issuer, or a body that cannot be sent again', async (t) => {
  const { client, api, issuer } = await story(t, { scope: ['a'], stepUp: true })
  api.respond = lacks('b')
  for (let call = 0; call < 3; call++) await t.rejects(client.fetch('/'), { code: 'insufficient_scope', missing: [] })
  t.equal(issuer.seen.length, 2)
  t.equal(api.seen.length, 4)

  let count = 0
  api.respond = (response, seen) => lacks(`more-${++count}`)(response, seen)
  await t.rejects(client.fetch('/'), { code: 'insufficient_scope' })
  t.equal(count, 2, 'one step for each call, also where the API requires another scope each time')

  issuer.respond = json(400, { error: 'invalid_scope' })
  await t.rejects(client.fetch('/', { scope: ['c'] }), { code: 'scope_refused' }, 'its own scope')
  issuer.respond = (response, seen) => (seen.form.get('scope') === 'd' ? tokens() : json(400, { error: 'invalid_scope' }))(response, seen)
  api.respond = lacks('e')
  const before = issuer.seen.length
  for (let call = 0; call < 3; call++) {
    await t.rejects(client.fetch('/', { scope: ['d'] }), { missing: ['e'], message: /the issuer does not grant e to this client/ })
  }
  t.equal(issuer.seen.length, before + 2, 'and is not requested again by each call')
  issuer.respond = json(503, {})
  await t.rejects(client.fetch('/', { scope: ['d'], body: 'x', method: 'POST', audience: 'other' }), { code: 'issuer_unreachable' })

  const stream = await story(t, { stepUp: true })
  stream.issuer.respond = named
  stream.api.respond = requires('b')
  const body = new ReadableStream({ start (controller) { controller.enqueue(Buffer.from('x')); controller.close() } })
  await t.rejects(stream.client.fetch('/', { method: 'POST', body }), { code: 'insufficient_scope' })
  t.equal((await stream.client.fetch('/')).status, 200, 'the next call has it')
  t.equal(stream.api.seen.length, 2)
})

t.test('an API cannot make the client collect scopes without end', async (t) => {
  const { client, api, issuer } = await story(t, { stepUp: true })
  api.respond = lacks(Array.from({ length: 60 }, (_, at) => `s${at}`).join(' '))
  await t.rejects(client.fetch('/'), { code: 'insufficient_scope' })
  t.equal(issuer.seen.at(-1)!.form.get('scope')!.split(' ').length, 50)
  api.respond = lacks('one-more')
  await t.rejects(client.fetch('/'), { code: 'insufficient_scope', missing: ['one-more'] })
  t.equal(issuer.seen.length, 2)
})

t.test('Retry-After of the API: two more attempts of what is idempotent, within the bound', async (t) => {
  const busy = (status: number, value = '0'): Respond => json(status, {}, { 'retry-after': value })
  for (const [method, status, attempts] of [
    ['GET', 503, 3], ['PUT', 429, 3], ['delete', 503, 3], ['POST', 503, 1], ['PATCH', 429, 1]
  ] as const) {
    const { client, api, issuer } = await story(t)
    api.respond = busy(status)
    t.equal((await client.fetch('/', { method })).status, status, method)
    t.equal(api.seen.length, attempts, `${method} ${status}`)
    t.equal(issuer.seen.length, 1)
  }
  const { client, api } = await story(t, { maxRetryAfterMs: 1500 })
  api.respond = (response, seen) => { (api.seen.length < 2 ? busy(503, '1') : json(200, {}))(response, seen) }
  t.equal((await client.fetch('/')).status, 200)
  api.respond = busy(503, '1')
  t.equal((await client.fetch('/')).status, 503)
  t.equal(api.seen.length, 4, 'the second pause would be over the bound')
  const off = await story(t, { maxRetryAfterMs: 0 })
  off.api.respond = busy(503)
  t.equal((await off.client.fetch('/')).status, 503)
  t.equal(off.api.seen.length, 1)
})

t.test('Retry-After of the API: a date, what nobody would wait for, what is no pause, and a body that cannot be sent again', async (t) => {
  const cases: ReadonlyArray<readonly [string, number, (() => ApiRequest)?]> = [
    [new Date(Date.now() - 60_000).toUTCString(), 3],
    [new Date(Date.now() + 86_400_000).toUTCString(), 1],
    ['9'.repeat(400), 1],
    ['86400', 1],
    ['-1', 1],
    ['0.5', 1],
    ['soon', 1],
    ['0', 3, () => ({ method: 'PUT', body: 'x' })],
    ['0', 1, () => ({ method: 'PUT', body: new Blob(['x']).stream() })]
  ]
  for (const status of [503, 429]) {
    for (const [value, attempts, request] of cases) {
      const { client, api, issuer } = await story(t)
      api.respond = json(status, { from: 'the API' }, { 'retry-after': value })
      const response = await client.fetch('/', request?.())
      t.same([response.status, await response.json()], [status, { from: 'the API' }], value)
      t.equal(api.seen.length, attempts, `${status} ${value.slice(0, 40)}`)
      t.equal(issuer.seen.length, 1)
    }
  }
})

t.test('a caller ends its own wait only: for the API\'s pause, and for a token that others wait for', async (t) => {
  const { client, api, issuer } = await story(t)
  api.respond = json(503, {}, { 'retry-after': '5' })
  const abort = new AbortController()
  const waiting = client.fetch('/', { signal: abort.signal })
  await until(() => api.seen.length === 1)
  setTimeout(() => { abort.abort(new Error('no longer')) }, 50)
  await t.rejects(waiting, { message: 'no longer' })
  t.equal(api.seen.length, 1)
  t.equal(getEventListeners(abort.signal, 'abort').length, 0)

  const { opened, open } = gate()
  const respond = tokens()
  issuer.respond = async (response, seen) => { await opened; respond(response, seen) }
  api.respond = json(200, {})
  const mine = new AbortController()
  const [first, second, third] = [
    client.fetch('/', { scope: ['x'], signal: mine.signal }),
    client.fetch('/', { scope: ['x'] }),
    client.token({ scope: ['x'], signal: mine.signal })
  ]
  await until(() => issuer.seen.length === 2)
  mine.abort(new Error('mine'))
  await t.rejects(first, { message: 'mine' })
  await t.rejects(third, { message: 'mine' })
  open()
  t.equal((await second).status, 200)
  t.equal(issuer.seen.length, 2)
  await t.rejects(client.fetch('/', { signal: mine.signal }), { message: 'mine' }, 'aborted before')
  t.equal(await client.replace('token-1', { scope: ['x'], signal: new AbortController().signal }), 'token-2')
  t.equal(await client.replace('token-9', ['x']), 'token-2', 'another one is there already')
})

t.test('close() ends a pause', async (t) => {
  const { client, api } = await story(t)
  api.respond = json(503, {}, { 'retry-after': '5' })
  const waiting = client.fetch('/')
  await until(() => api.seen.length === 1)
  setTimeout(() => { void client.close() }, 50)
  await t.rejects(waiting, { code: 'client_closed' })
})
