import t from 'tap'
import { api, gate, json, listen, silentAddress, story, tokens, until } from './fakes.ts'
import type { Respond } from './fakes.ts'

const text = (body: string): ReadableStream<Uint8Array> => new Blob([body]).stream()

t.test('a call: method, headers, body and address as given, with the token', async (t) => {
  const { client, api } = await story(t, {})
  const response = await client.fetch('/api/messages?a=b', {
    method: 'POST', headers: { 'x-own': '1', Authorization: 'Bearer other' }, body: '{}'
  })
  t.equal(response.status, 200)
  t.same(await response.json(), { message: 'in' })
  t.match(api.seen[0], {
    method: 'POST', path: '/api/messages?a=b', body: '{}', headers: { 'x-own': '1', authorization: 'Bearer token-1' }
  })
})

t.test('a path is resolved against apiUrl', async (t) => {
  const { client, api, options } = await story(t)
  const { client: other } = await story(t, { apiUrl: `${options.apiUrl}/v1/` })
  await other.fetch('things')
  await client.fetch(`${options.apiUrl}/whole`)
  t.same(api.seen.map(({ path }) => path), ['/v1/things', '/whole'])
})

t.test('the token never leaves the origin of apiUrl', async (t) => {
  const { client, issuer, api } = await story(t)
  const elsewhere = await listen(t, json(200, {}))
  const port = new URL(api.url).port
  const paths = [
    elsewhere.url, elsewhere.url.replace('http:', ''), elsewhere.url.replace('http:', '').replace('//', '/\\'),
    `${elsewhere.url}/${api.url}`,
    `http://localhost:${port}/`, `https://127.0.0.1:${port}/`, `http://user:word@127.0.0.1:${port}/`, `http://user@127.0.0.1:${port}/`,
    `http://:word@127.0.0.1:${port}/`, 'file:///etc/passwd', 'http://[', '\t//evil.example/'
  ]
  for (const path of paths) await t.rejects(client.fetch(path), { code: 'settings_invalid', message: /token is sent nowhere else/ }, path)
  t.equal(issuer.seen.length + api.seen.length + elsewhere.seen.length, 0)
})

t.test('a redirect is refused, even to the same origin', async (t) => {
  const elsewhere = await listen(t, json(200, {}))
  for (const status of [300, 301, 302, 303, 307, 308]) {
    const { client, api } = await story(t)
    api.respond = (response) => response.writeHead(status, { location: `${elsewhere.url}/?secret` }).end('body')
    await t.rejects(client.fetch('/'), { code: 'api_redirected', message: new RegExp(`redirect \\(${status}\\)`) })
    api.respond = (response) => response.writeHead(status, { location: '/same' }).end()
    await t.rejects(client.fetch('/'), { code: 'api_redirected' })
    t.equal(api.seen.length, 2)
  }
  t.equal(elsewhere.seen.length, 0)
})

t.test('304 Not Modified is not a redirect', async (t) => {
  const { client, api } = await story(t)
  api.respond = (response) => response.writeHead(304).end()
  t.equal((await client.fetch('/')).status, 304)
})

t.test('a token that the API does not take any more is replaced once, and the call repeated', async (t) => {
  const { client, issuer, api: service } = await story(t)
  service.respond = api((token) => token === 'token-2')
  for (const body of ['text', new URLSearchParams({ a: '1' }), Buffer.from('bytes'), new Blob(['blob'])]) {
    t.equal((await client.fetch('/', { method: 'POST', body })).status, 200)
  }
  t.same(
    service.seen.slice(0, 2).map(({ headers, body }) => [headers.authorization, body]),
    [['Bearer token-1', 'text'], ['Bearer token-2', 'text']]
  )
  t.equal(issuer.seen.length, 2)
  t.equal(service.seen.length, 5)
})

t.test('a response that is not handed over is released: its connection does not stay open', { timeout: 5000 }, async (t) => {
  const { client, api: service } = await story(t, { apiDeadlineMs: 600_000 }) // else the deadline lets it go; later, the collector
  const gone = gate()
  service.respond = (response, seen) => {
    if (seen.headers.authorization === 'Bearer token-2') { response.end(); return }
    response.on('close', gone.open).writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).write('never ends')
  }
  t.equal((await client.fetch('/')).status, 200)
  await gone.opened
})

t.test('a hundred calls that are refused at once cost one new token', async (t) => {
  const { client, issuer, api: service } = await story(t)
  await client.token()
  service.respond = api((token) => token === 'token-2')
  const all = await Promise.all(Array.from({ length: 100 }, () => client.fetch('/')))
  t.ok(all.every(({ status }) => status === 200))
  t.equal(issuer.seen.length, 2)
})

t.test('an API that refuses every token gets each call twice, and the issuer one request in ten seconds', async (t) => {
  const { client, issuer, api: service, clock } = await story(t)
  service.respond = api(() => false)
  const response = await client.fetch('/')
  t.equal(response.status, 401)
  t.equal(await response.text(), '{}', 'the second refusal is the caller\'s to read')
  t.equal(service.seen.length, 2)
  t.equal(issuer.seen.length, 2)
  for (let call = 0; call < 50; call++) t.equal((await client.fetch('/')).status, 401)
  t.equal(issuer.seen.length, 2)
  t.equal(service.seen.length, 52)
  clock.ms += 10_000
  await client.fetch('/')
  t.equal(issuer.seen.length, 3)
})

t.test('an issuer that hands out the refused token again does not cause a repetition', async (t) => {
  const { client, issuer, api: service } = await story(t)
  issuer.respond = tokens({ access_token: 'same' })
  service.respond = api(() => false)
  t.equal((await client.fetch('/')).status, 401)
  t.equal(issuer.seen.length, 2)
  t.equal(service.seen.length, 1)
})

t.test('no new token to be had: the refusal is handed over, and the old token kept', async (t) => {
  const { client, issuer, api: service, clock } = await story(t)
  await client.token()
  issuer.respond = json(503, {})
  service.respond = api(() => false)
  const response = await client.fetch('/')
  t.equal(response.status, 401)
  t.equal(await response.text(), '{}', 'still unread')
  t.equal((await client.fetch('/')).status, 401)
  t.equal(issuer.seen.length, 2, 'the issuer is left in peace')
  service.respond = api()
  clock.ms += 1
  t.equal((await client.fetch('/')).status, 200)
})

t.test('a refusal while the renewal is on its way waits for that one', async (t) => {
  const { client, issuer, api: service, clock } = await story(t)
  await client.token()
  const held = gate()
  const respond = issuer.respond
  issuer.respond = (response, seen) => held.opened.then(() => respond(response, seen))
  service.respond = api((token) => token === 'token-2')
  clock.ms += 200_000
  const call = client.fetch('/')
  await until(() => service.seen.length === 1)
  held.open()
  t.equal((await call).status, 200)
  t.equal(issuer.seen.length, 2)
})

t.test('a body that can be sent only once is not repeated, but the next call has a new token', async (t) => {
  const { client, issuer, api: service } = await story(t)
  service.respond = api((token) => token === 'token-2')
  t.equal((await client.fetch('/', { method: 'POST', body: text('stream') })).status, 401)
  t.equal(service.seen.length, 1)
  t.equal(service.seen[0]!.body, 'stream')
  await until(() => issuer.seen.length === 2)
  while (await client.token() !== 'token-2') await new Promise(setImmediate)
  t.equal((await client.fetch('/', { method: 'POST', body: text('stream') })).status, 200)
})

t.test('no other response causes a repetition', async (t) => {
  const cases: [string, Respond][] = [
    ['401 without a challenge', json(401, {})],
    ['401 without an error', json(401, {}, { 'www-authenticate': 'Bearer realm="x"' })],
    ['401 of another scheme', json(401, {}, { 'www-authenticate': 'Basic error="invalid_token"' })],
    ['401 with another error', json(401, {}, { 'www-authenticate': 'Bearer error="invalid_request", error_description="invalid_token"' })],
    ['403 that names no scope', json(403, {}, { 'www-authenticate': 'Bearer error="insufficient_scope"' })],
    ['403 without a challenge', json(403, {})],
    ['403 that says invalid_token', json(403, {}, { 'www-authenticate': 'Bearer error="invalid_token"' })],
    ['500', json(500, {})],
    ['503', json(503, {})],
    ['503 that requests a pause longer than allowed', json(503, {}, { 'retry-after': '6' })],
    ['429 with a pause that cannot be read', json(429, {}, { 'retry-after': 'soon' })]
  ]
  for (const [name, respond] of cases) {
    const { client, issuer, api } = await story(t)
    api.respond = respond
    t.equal((await client.fetch('/')).status, Number(name.slice(0, 3)), name)
    t.equal(api.seen.length, 1, name)
    t.equal(issuer.seen.length, 1, name)
  }
})

t.test('an API that cannot be reached', async (t) => {
  const { client } = await story(t, { apiUrl: await silentAddress() })
  await t.rejects(client.fetch('/'), { code: 'api_unreachable', message: /ECONNREFUSED/ })

  const { client: other, api } = await story(t)
  api.respond = (response) => response.destroy()
  await t.rejects(other.fetch('/'), { code: 'api_unreachable', message: /cannot be reached at http:\/\/127/, cause: undefined })

  const { client: barred } = await story(t, { apiUrl: 'http://127.0.0.1:1' })
  await t.rejects(barred.fetch('/'), { code: 'api_unreachable', message: /BAD_PORT/ })
})

t.test('the deadline of a call covers silence and a body that does not end', async (t) => {
  const { client, api } = await story(t, { apiDeadlineMs: 500 })
  api.respond = () => undefined
  await t.rejects(client.fetch('/'), { code: 'api_unreachable', message: /no response within 500 ms/ })
  api.respond = (response) => response.writeHead(200).write('begun')
  const response = await client.fetch('/')
  await t.rejects(response.text(), { name: 'TimeoutError' })
})

t.test('the caller may abort, and gets its own reason', async (t) => {
  const { client, api } = await story(t)
  api.respond = () => undefined
  const cancel = new AbortController()
  const call = client.fetch('/', { signal: cancel.signal })
  await until(() => api.seen.length === 1)
  cancel.abort(new Error('no longer wanted'))
  await t.rejects(call, { message: 'no longer wanted' })
})

t.test('a call that fetch cannot make is an error of the caller, not of the API', async (t) => {
  const { client, api } = await story(t)
  await t.rejects(client.fetch('/', { method: 'TWO WORDS' }), TypeError)
  await t.rejects(client.fetch('/', { headers: { bad: 'a\nb' } }), TypeError)
  await t.rejects(client.fetch('/', { body: 'on a GET' }), TypeError)
  await t.rejects(client.fetch('/', { scope: ['two words'] }), { code: 'settings_invalid', message: /^scope: / })
  t.equal(api.seen.length, 0)
})
