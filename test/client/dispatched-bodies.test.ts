import { PassThrough, Readable } from 'node:stream'
import t from 'tap'
import type { Test } from 'tap'
import { Agent, fetch as undiciFetch, FormData, request } from 'undici'
import type { Dispatcher } from 'undici'
import type { Client } from '../../src/client/client.ts'
import { gate, json, story, tokens } from './fakes.ts'
import type { Story } from './fakes.ts'
import { hasty } from './hasty.ts'
import { requires } from './proofs.ts'

/** A client with DPoP whose API requires a nonce, which it does not have yet, and an agent with its interceptor. */
async function withNonce (t: Test): Promise<Story & { readonly dispatcher: Dispatcher }> {
  const one = await story(t, { dpop: true })
  one.issuer.respond = tokens({ token_type: 'DPoP' })
  one.api.respond = requires('one', 401, json(200, {}))
  return { ...one, dispatcher: composed(t, one.client) }
}

function composed (t: Test, client: Client): Dispatcher {
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  return agent.compose(client.interceptor())
}

const framing = ({ headers }: Story['api']['seen'][number]): readonly unknown[] => [headers['content-length'], headers['transfer-encoding']]

async function sent (dispatcher: Dispatcher, url: string, body: unknown, headers = {}): Promise<number> {
  const response = await request(url, { method: 'POST', headers, body: body as string, dispatcher })
  await response.body.dump()
  return response.statusCode
}

async function* generated (...chunks: readonly unknown[]): AsyncGenerator {
  for (const chunk of chunks) yield await Promise.resolve(chunk)
}

t.test('fetch with the interceptor: every body of 64 kB at most is sent once more, as the first time', async (t) => {
  const form = new FormData()
  form.set('a', 'b')
  const cases: ReadonlyArray<readonly [string, unknown, RegExp, readonly unknown[]]> = [
    ['text', '{"text":"x"}', /^\{"text":"x"\}$/, ['12', undefined]],
    ['no text', '', /^$/, ['0', undefined]],
    ['bytes', Buffer.alloc(65_536, 'x'), /^x{65536}$/, ['65536', undefined]],
    ['URLSearchParams', new URLSearchParams({ a: 'b' }), /^a=b$/, ['3', undefined]],
    ['Blob', new Blob(['blob']), /^blob$/, ['4', undefined]],
    ['FormData', form, /name="a"\r\n\r\nb\r\n/, [/^\d+$/, undefined]],
    ['stream', Readable.toWeb(Readable.from([Buffer.from('a'), Buffer.from('b')])), /^ab$/, [undefined, 'chunked']]
  ]
  for (const [name, body, expected, framed] of cases) {
    const { api, dispatcher } = await withNonce(t)
    const response = await undiciFetch(`${api.url}/x`, { method: 'POST', body: body as string, dispatcher, duplex: 'half' })
    t.equal(response.status, 200, name)
    t.equal(api.seen.length, 2, name)
    for (const seen of api.seen) {
      t.match(seen.body, expected, name)
      t.match(framing(seen), framed, name)
    }
  }
  const { api, dispatcher } = await withNonce(t)
  t.equal((await fetch(`${api.url}/x`, { method: 'POST', body: 'of Node', dispatcher } as object)).status, 200)
  t.same(api.seen.map(({ body }) => body), ['of Node', 'of Node'])
})

t.test('another nonce and another token: a recorded body is sent three times', async (t) => {
  const { api, dispatcher } = await withNonce(t)
  api.respond = requires('one', 401, (response, seen) => json(
    seen.headers.authorization === 'DPoP token-2' ? 200 : 401, {}, { 'www-authenticate': 'DPoP error="invalid_token"' }
  )(response, seen))
  t.equal(await sent(dispatcher, api.url, generated('a', 'b')), 200)
  t.same(api.seen.map(({ body }) => body), ['ab', 'ab', 'ab'])
})

t.test('bodies of dispatch: what undici accepts is sent as undici would, and again where it can be', async (t) => {
  const ended = new PassThrough()
  ended.end('abc')
  const form = new FormData()
  form.set('a', 'b')
  const declared = { 'content-length': '5' }
  const small = Array.from({ length: 3000 }, () => Buffer.from('12345678901234567890'))
  const cases: ReadonlyArray<readonly [string, unknown, object, number, RegExp, readonly unknown[]]> = [
    ['a generator', generated('a', Buffer.from('bcd'), new Uint8Array([101])), {}, 2, /^abcde$/, [undefined, 'chunked']],
    ['a generator with a length', generated('é', 'ab', '', 'c'), declared, 2, /^éabc$/, ['5', undefined]],
    ['a generator of nothing', generated(), {}, 2, /^$/, ['0', undefined]],
    ['an array', [Buffer.from('a'), Buffer.from('b')], {}, 2, /^ab$/, [undefined, 'chunked']],
    ['many pieces', generated(...small), {}, 2, /^\d{60000}$/, [undefined, 'chunked']],
    ['64 kB', generated(Buffer.alloc(65_000, 'x'), Buffer.alloc(536, 'x')), {}, 2, /^x{65536}$/, [undefined, 'chunked']],
    ['a byte more', generated(Buffer.alloc(65_536, 'x'), 'x', 'y'), {}, 1, /^x{65537}y$/, [undefined, 'chunked']],
    ['pieces of another kind', generated(new DataView(new ArrayBuffer(2))), {}, 1, /^\0\0$/, [undefined, 'chunked']],
    ['a text', 'abcde', {}, 2, /^abcde$/, ['5', undefined]],
    ['an ArrayBuffer', new TextEncoder().encode('abc').buffer, {}, 2, /^abc$/, ['3', undefined]],
    ['a DataView', new DataView(new TextEncoder().encode('abc').buffer), {}, 2, /^abc$/, ['3', undefined]],
    ['a Blob', new Blob(['abc']), {}, 2, /^abc$/, ['3', undefined]],
    ['FormData', form, {}, 2, /name="a"\r\n\r\nb\r\n/, [/^\d+$/, undefined]],
    ['a stream of Node', Readable.from([Buffer.from('abc')]), {}, 1, /^abc$/, [undefined, 'chunked']],
    ['a stream of Node that has ended', ended, {}, 1, /^abc$/, ['3', undefined]]
  ]
  for (const [name, body, headers, attempts, expected, framed] of cases) {
    const { api, dispatcher } = await withNonce(t)
    t.equal(await sent(dispatcher, api.url, body, headers), attempts === 2 ? 200 : 401, name)
    t.equal(api.seen.length, attempts, name)
    for (const seen of api.seen) {
      t.match(seen.body, expected, name)
      t.match(framing(seen), framed, name)
    }
    t.equal(await sent(dispatcher, api.url, 'next'), 200, `${name}: the nonce is there for the next request`)
    t.equal(api.seen.length, attempts + 1, name)
  }
})

t.test('a memory that the source uses again is not what is sent again', async (t) => {
  const { api, dispatcher } = await withNonce(t)
  const memory = Buffer.alloc(3)
  const body = (async function* () {
    for (const text of ['abc', 'def']) {
      memory.write(text)
      yield memory
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  t.equal(await sent(dispatcher, api.url, body), 200)
  t.same(api.seen.map((seen) => seen.body), ['abcdef', 'abcdef'])
})

t.test('a response before the end of the body is passed on: nobody has the rest', async (t) => {
  let requests = 0
  const { url, client } = await hasty(t, (_request, response) => {
    requests++
    response.writeHead(401, { 'www-authenticate': 'DPoP error="use_dpop_nonce"', 'dpop-nonce': 'one' }).end('early')
  })
  const returned = gate()
  const body = (async function* () {
    try {
      for (;;) {
        yield 'x'
        await new Promise((resolve) => setTimeout(resolve, 5))
      }
    } finally {
      returned.open()
    }
  })()
  const response = await request(url, { method: 'POST', body: body as never, dispatcher: composed(t, client) })
  t.equal(response.statusCode, 401)
  t.equal(await response.body.text(), 'early')
  await returned.opened
  t.equal(requests, 1)
})

t.test('an error of the source is the error of the request', async (t) => {
  const { api, dispatcher } = await withNonce(t)
  const failing = (async function* () {
    yield await Promise.resolve('begun')
    throw new Error('the source failed')
  })()
  await t.rejects(sent(dispatcher, api.url, failing), { message: 'the source failed' })
  t.equal(api.seen.length, 0)
  await t.rejects(sent(dispatcher, api.url, generated({ no: 'bytes' })), TypeError)
  await t.rejects(sent(dispatcher, api.url, 5), { code: 'UND_ERR_INVALID_ARG' })
})

t.test('an early hint is not yet the response', async (t) => {
  const { api, client, dispatcher } = await withNonce(t)
  const respond = api.respond
  api.respond = (response, seen) => {
    response.writeEarlyHints({ link: '</a>; rel=preload' }, () => { respond(response, seen) })
  }
  t.equal(await sent(dispatcher, api.url, generated('a')), 200)
  t.same(api.seen.map(({ body }) => body), ['a', 'a'])
  await client.close()
})
