import { gzipSync } from 'node:zlib'
import t from 'tap'
import { newKey } from '../support/issuer.ts'
import { bodyOf, raw, statusOf } from '../support/raw.ts'
import { startService, until } from '../support/service.ts'

const key = newKey()

t.test('the response and the log say what is wrong with a body, and repeat no value of it', async (t) => {
  const { ask, issuer, lines } = await startService(t, { key })
  const authorization = `Bearer ${issuer.token({ scope: 'test_api_access' })}`
  const json = { 'content-type': 'application/json' }
  const latin1 = Buffer.from('{"text":"sEcReT é"}', 'latin1')
  type Case = readonly [name: string, body: string | Buffer, headers: Record<string, string>, status: number, detail: string]
  const cases: readonly Case[] = [
    ['not JSON', '{"text":"sEcReT"', json, 400, 'body: not valid JSON'],
    ['a member that JSON readers fall for', '{"__proto__":{"sEcReT":1},"text":"a"}', json, 400, 'body: not valid JSON'],
    ['empty', '', json, 400, 'body: empty, JSON is expected'],
    ['empty, without a type', Buffer.alloc(0), {}, 400, 'body: empty, JSON is expected'],
    ['null', 'null', json, 400, 'body: must be object'],
    ['an extra property', '{"text":"a","more":"sEcReT"}', json, 400, 'body: must NOT have additional properties: "more"'],
    [
      'an extra property that is not printable', JSON.stringify({ text: 'a', '\u001b[31m\u202e': 'sEcReT' }), json, 400,
      'body: must NOT have additional properties: "\\u001b[31m\\u202e"'
    ],
    ['the wrong type', '{"text":5}', json, 400, 'body: /text must be string'],
    ['too long a text', JSON.stringify({ text: 'sEcReT'.repeat(100) }), json, 400, 'body: /text must NOT have more than 500 characters'],
    ['no Content-Type', Buffer.from('{"text":"sEcReT"}'), {}, 415, 'Content-Type is missing: application/json is expected'],
    [
      'another Content-Type', 'text=sEcReT', { 'content-type': 'application/x-www-form-urlencoded' }, 415,
      'Content-Type is not application/json'
    ],
    ['text', 'sEcReT', { 'content-type': 'text/plain' }, 415, 'Content-Type is not application/json'],
    ['not UTF-8: Latin-1', latin1, json, 400, 'body: not UTF-8'],
    [
      'not UTF-8: a surrogate',
      Buffer.from([...Buffer.from('{"text":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]), json, 400, 'body: not UTF-8'
    ],
    ['not UTF-8: cut', Buffer.from([...Buffer.from('{"text":"'), 0xe2, 0x82, ...Buffer.from('"}')]), json, 400, 'body: not UTF-8'],
    [
      'gzip', gzipSync('{"text":"sEcReT"}'), { ...json, 'content-encoding': 'gzip' }, 415,
      'Content-Encoding is not accepted: send the body without it'
    ],
    [
      'a coding that lies', '{"text":"sEcReT"}', { ...json, 'content-encoding': 'br' }, 415,
      'Content-Encoding is not accepted: send the body without it'
    ],
    ['too long a body', JSON.stringify({ text: 'x'.repeat(70_000) }), json, 413, 'body: too long']
  ]
  for (const [name, body, headers, status, detail] of cases) {
    const response = await ask('/api/messages', { method: 'POST', headers: { authorization, ...headers }, body })
    t.match(response, { status, body: { status, detail } }, name)
    t.notMatch(response.text, /sEcReT/, name)
    await until(() => lines.some(({ reqId }) => reqId === response.body.request_id))
    t.match(
      lines.find(({ reqId }) => reqId === response.body.request_id),
      { msg: 'request', status, detail, client: 'test_client' },
      `${name}: log`
    )
    if (status === 415 && name.includes('gzip')) t.equal(response.headers.get('accept-encoding'), 'identity')
  }
  t.notMatch(JSON.stringify(lines), /sEcReT/)
  for (const coding of ['identity', '', 'IDENTITY']) {
    t.match(await ask('/api/messages', {
      method: 'POST', headers: { authorization, ...json, 'content-encoding': coding }, body: '{"text":"é€😀"}'
    }), { status: 201, body: { text: 'é€😀' } })
  }
  t.match(
    await ask('/api/private', { headers: { authorization, 'content-encoding': 'gzip' } }),
    { status: 200 },
    'without a body there is nothing encoded'
  )
})

t.test('a chunked body is held to the same rules', async (t) => {
  const service = await startService(t, { key })
  const head =
    'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nAuthorization: ' +
    `Bearer ${service.issuer.token({ scope: 'test_api_access' })}\r\nConnection: close\r\n`
  t.equal(statusOf(await raw(service, `${head}\r\nc\r\n{"text":"a"}\r\n0\r\n\r\n`)), 201)
  t.equal(statusOf(await raw(service, `${head}\r\nc\r\n{"text":"\xff"}\r\n0\r\n\r\n`)), 400)
  t.equal(statusOf(await raw(service, `${head}Content-Encoding: gzip\r\n\r\nc\r\n{"text":"a"}\r\n0\r\n\r\n`)), 415)
  t.match(JSON.parse(bodyOf(await raw(service, `${head}\r\n0\r\n\r\n`))), { status: 400, detail: 'body: empty, JSON is expected' })
})
