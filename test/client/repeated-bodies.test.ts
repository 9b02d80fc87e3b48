import { Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { api as apiOf, gate, json, story, tokens, until } from './fakes.ts'
import type { Story } from './fakes.ts'
import { hasty } from './hasty.ts'
import { requires } from './proofs.ts'

const streamOf = (...chunks: readonly string[]): ReadableStream =>
  Readable.toWeb(Readable.from(chunks.map((one) => Buffer.from(one)))) as ReadableStream

/** A client with DPoP whose API requires a nonce, which it does not have yet. */
async function withNonce (t: Test): Promise<Story> {
  const one = await story(t, { dpop: true })
  one.issuer.respond = tokens({ token_type: 'DPoP' })
  one.api.respond = requires('one', 401, json(200, {}))
  return one
}

const framing = ({ headers }: Story['api']['seen'][number]): readonly unknown[] => [headers['content-length'], headers['transfer-encoding']]

t.test('wrap: a Request with a body is sent once more, with its length', async (t) => {
  const form = new FormData()
  form.set('a', 'b')
  const cases: ReadonlyArray<readonly [string, RequestInit, RegExp, readonly unknown[]]> = [
    ['text', { body: '{"text":"x"}' }, /^\{"text":"x"\}$/, ['12', undefined]],
    ['no text', { body: '' }, /^$/, ['0', undefined]],
    ['bytes', { body: Buffer.alloc(200_000, 'x') }, /^x{200000}$/, ['200000', undefined]],
    ['URLSearchParams', { body: new URLSearchParams({ a: 'b' }) }, /^a=b$/, ['3', undefined]],
    ['Blob', { body: new Blob(['blob']) }, /^blob$/, ['4', undefined]],
    ['FormData', { body: form }, /name="a"\r\n\r\nb\r\n/, [/^\d+$/, undefined]],
    ['stream', { body: streamOf('a', 'b'), duplex: 'half' }, /^ab$/, [undefined, 'chunked']]
  ]
  for (const [name, init, body, framed] of cases) {
    const { client, api } = await withNonce(t)
    const sent = new Request(`${api.url}/x`, { method: 'POST', headers: { a: 'b' }, ...init })
    t.equal((await client.wrap()(sent)).status, 200, name)
    t.equal(api.seen.length, 2, name)
    for (const seen of api.seen) {
      t.match(seen, { method: 'POST', path: '/x', body, headers: { a: 'b' } }, name)
      t.match(framing(seen), framed, name)
    }
    t.ok(sent.bodyUsed, `${name}: as after fetch`)
    await t.rejects(client.wrap()(sent), TypeError)
  }
})

t.test('wrap: a Request is sent again with another token and another scope, and after a pause', async (t) => {
  const { client, issuer, api } = await story(t, { stepUp: true, maxRetryAfterMs: 5000 })
  const put = (body: string): Request => new Request(`${api.url}/`, { method: 'PUT', body })
  api.respond = apiOf((token) => token === 'token-2')
  t.equal((await client.wrap()(put('one'))).status, 200)
  t.same(api.seen.map(({ body }) => body), ['one', 'one'])
  api.seen.length = 0
  const replies = [
    json(503, {}, { 'retry-after': '0' }), json(503, {}, { 'retry-after': '0' }),
    json(403, {}, { 'www-authenticate': 'Bearer error="insufficient_scope", scope="more"' }), json(200, {})
  ]
  api.respond = (response, seen) => replies[api.seen.length - 1]!(response, seen)
  t.equal((await client.wrap()(put('two'))).status, 200)
  t.same(api.seen.map(({ body }) => body), ['two', 'two', 'two', 'two'])
  t.equal(issuer.seen.at(-1)!.form.get('scope'), 'more')
})

t.test('wrap: a body given beside a Request is what is sent; a stream there is sent once, and nothing of it is kept', async (t) => {
  const { client, api } = await withNonce(t)
  const given = new Request(`${api.url}/`, { method: 'POST', body: 'of the Request' })
  t.equal((await client.wrap()(given, { method: 'PUT', body: 'beside it' })).status, 200)
  t.match(api.seen, [{ method: 'PUT', body: 'beside it' }, { method: 'PUT', body: 'beside it' }])
  t.notOk(given.bodyUsed)

  const other = await withNonce(t)
  const init = { body: streamOf('beside it'), duplex: 'half' } as RequestInit
  t.equal((await other.client.wrap()(new Request(`${other.api.url}/`, { method: 'POST', body: 'of the Request' }), init)).status, 401)
  t.match(other.api.seen.map(({ body }) => body), ['beside it'])

  const third = await withNonce(t)
  t.equal((await third.client.wrap()(new Request(`${third.api.url}/`, { method: 'POST', body: 'x' }), { body: null })).status, 200)
  t.match(third.api.seen.map(({ body }) => body), ['x', 'x'])
})

t.test('wrap: the signal of a Request holds for the second attempt', async (t) => {
  const { client, api } = await withNonce(t)
  const respond = api.respond
  api.respond = (response, seen) => api.seen.length === 2 ? undefined : respond(response, seen)
  const cancel = new AbortController()
  const call = client.wrap()(new Request(`${api.url}/`, { method: 'POST', body: 'x', signal: cancel.signal }))
  await until(() => api.seen.length === 2)
  cancel.abort(new Error('no longer wanted'))
  await t.rejects(call, { message: 'no longer wanted' })

  const other = await withNonce(t)
  const aborted = AbortSignal.abort()
  const sent = new Request(`${other.api.url}/`, { method: 'POST', body: 'x', signal: aborted })
  t.equal((await other.client.wrap()(sent, { signal: null })).status, 200, 'null: without a signal')
})

t.test('wrap: with the response the copy is let go, and the upload goes on', async (t) => {
  const received = gate()
  let bytes = 0
  const { url, client } = await hasty(t, (request, response) => {
    response.writeHead(200).write('begun')
    request.on('data', (chunk: Buffer) => { bytes += chunk.length }).on('end', received.open)
  })
  const responded = gate()
  let pulled = 0
  const body = new ReadableStream({
    async pull (controller) {
      if (pulled === 1) await responded.opened
      if (pulled++ === 100) controller.close()
      else controller.enqueue(Buffer.alloc(10_000))
    }
  }, { highWaterMark: 0 })
  const response = await client.wrap()(new Request(url, { method: 'POST', body, duplex: 'half' }))
  t.equal(response.status, 200)
  responded.open()
  await received.opened
  t.equal(bytes, 1_000_000)
  await response.body!.cancel()
})

t.test('wrap: what fails rejects once: an upload, a connection, a token', async (t) => {
  const { client, api, issuer } = await withNonce(t)
  const failing = new ReadableStream({
    start: (controller) => { controller.enqueue(Buffer.from('begun')) },
    pull: (controller) => { controller.error(new Error('the source failed')) }
  })
  await t.rejects(client.wrap()(new Request(api.url, { method: 'POST', body: failing, duplex: 'half' })), Error)
  api.respond = (response) => response.destroy()
  await t.rejects(client.wrap()(new Request(api.url, { method: 'POST', body: 'x' })), TypeError)
  t.equal(issuer.seen.length, 1)

  const without = await story(t)
  without.issuer.respond = json(503, {})
  const kept = new Request(without.api.url, { method: 'POST', body: 'x' })
  await t.rejects(without.client.wrap()(kept), { code: 'issuer_unreachable' })
  t.notOk(kept.bodyUsed, 'nothing was sent: it can be sent later')
  await new Promise((resolve) => setTimeout(resolve, 20))
})
