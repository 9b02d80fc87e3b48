import { readdirSync, readFileSync } from 'node:fs'
import Fastify from 'fastify'
import t from 'tap'
import scopegate from '../../plugins/scopegate.ts'
import { STATUS_PAGES } from '../../src/http/problem.ts'
import { createTestIssuer } from '../../src/testing.ts'
import { bodyOf, raw } from '../support/raw.ts'
import { startService, type Service } from '../support/service.ts'

const DOCS = 'https://docs.example.com/scopegate'
/** RFC 6750 section 3.1 and RFC 9449 sections 7.1 and 9. */
const OAUTH = ['invalid_request', 'invalid_token', 'insufficient_scope', 'invalid_dpop_proof', 'use_dpop_nonce']

t.test('there is a page for each OAuth error and each status, and none for a reason', async (t) => {
  const pages = readdirSync('docs/problems').filter((file) => file !== 'README.md').map((file) => file.replace(/\.md$/, ''))
  t.same(pages.sort(), [...OAUTH, ...Object.values(STATUS_PAGES)].sort())
  const index = readFileSync('docs/problems/README.md', 'utf8')
  for (const page of pages) {
    const text = readFileSync(`docs/problems/${page}.md`, 'utf8')
    const [, status = ''] = /^`(\d{3})`/m.exec(text) ?? []
    t.match(text, /^# .+\n\n`\d{3}`[^\n]*\n\n[^]*\*\*If you call this API:\*\* [^]*\*\*If you operate it:\*\* /, page)
    t.ok(index.includes(`| ${status} | [${page}](${page}.md) |`), `${page} is in the index`)
    if (!OAUTH.includes(page)) t.equal(STATUS_PAGES[Number(status)], page)
  }
})

async function responses ({ get, ask, issuer, url }: Service): Promise<ReadonlyArray<readonly [string, unknown]>> {
  const token = issuer.token({ scope: 'test_api_access' })
  const json = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const post = async (headers: Record<string, string>, body: string): Promise<unknown> =>
    (await ask('/api/messages', { method: 'POST', headers, body })).body.type
  const read = async (text: string): Promise<unknown> => (JSON.parse(bodyOf(await raw({ url }, text, 5_000))) as { type: unknown }).type
  return [
    ['unauthorized', (await get('/api/private')).body.type],
    ['invalid_request', (await get('/api/private', undefined, { authorization: 'Bearer' })).body.type],
    ['invalid_token', (await get('/api/private', 'x.y.z')).body.type],
    ['invalid_token', (await get('/api/private', issuer.token({ aud: 'account' }))).body.type],
    ['insufficient_scope', (await get('/api/private-scoped', issuer.token())).body.type],
    ['not_found', (await get('/nothing')).body.type],
    ['method_not_allowed', (await ask('/api/public', { method: 'DELETE' })).body.type],
    ['bad_request', await post(json, '{')],
    ['bad_request', await post(json, '{"text":5}')],
    ['content_too_large', await post(json, JSON.stringify({ text: 'x'.repeat(100_000) }))],
    ['unsupported_media_type', await post({ ...json, 'content-type': 'text/html' }, 'x')],
    ['bad_request', (await get('/%zz')).body.type],
    ['expectation_failed', await read('GET /api/public HTTP/1.1\r\nHost: a\r\nExpect: x\r\nConnection: close\r\n\r\n')],
    ['method_not_allowed', await read('CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n')],
    ['bad_request', await read('x\r\n\r\n')],
    ['request_header_fields_too_large', await read(`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`)],
    ['internal_server_error', (await get('/broken')).body.type],
    ['internal_server_error', (await get('/broken-late')).body.type]
  ]
}

const prepare: NonNullable<Parameters<typeof startService>[1]>['prepare'] = (app) => {
  app.get('/broken', { config: { auth: 'public' } }, () => { throw new Error('broken') })
  app.get('/broken-late', { config: { auth: 'public' }, onSend: async () => { throw new Error('broken') } }, () => 'never sent')
  app.get('/teapot', { config: { auth: 'public' } }, () => { throw Object.assign(new Error('x'), { statusCode: 418 }) })
}

t.test('the type of every problem is the page of its OAuth error or status, on every way out', async (t) => {
  const service = await startService(t, { environment: { DOCS_URL: `${DOCS}/` }, prepare })
  for (const [page, type] of await responses(service)) t.equal(type, `${DOCS}/problems/${page}.md`)
  t.equal((await service.get('/teapot')).body.type, 'about:blank', 'a status without a page')
})

t.test('without DOCS_URL every type is about:blank', async (t) => {
  const service = await startService(t, { prepare })
  for (const [page, type] of await responses(service)) t.equal(type, 'about:blank', page)
})

t.test('the keys cannot be fetched: unavailable', async (t) => {
  const service = await startService(t, { environment: { DOCS_URL: DOCS, JWKS_URL: 'http://localhost:1/certs' }, impatient: true })
  const response = await service.get('/api/private', service.issuer.token())
  t.equal(response.status, 503)
  t.equal(response.body.type, `${DOCS}/problems/unavailable.md`)
})

t.test('the reason of a refusal is linked in the log, and nowhere in the response', async (t) => {
  const service = await startService(t, { environment: { DOCS_URL: DOCS } })
  const response = await service.get('/api/private', service.issuer.token({ aud: 'account' }))
  t.notMatch(response.text + JSON.stringify([...response.headers]), /audience|reasons/)
  const line = service.lines.find(({ reason }) => reason === 'audience_mismatch')
  t.match(line, { hint: new RegExp(` ${DOCS}/reference/reasons\\.md#audience_mismatch$`) })
  t.match(readFileSync('docs/reference/reasons.md', 'utf8'), '<a id="audience_mismatch"></a>')
})

t.test('the plugin in a service of somebody else: the option docsUrl', async (t) => {
  const { issuer, keys, sign } = createTestIssuer()
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(scopegate, { issuer, audience: 'reports_api', keys, docsUrl: `${DOCS}/` })
  app.get('/reports', { config: { auth: { scopes: ['reports:read'] } } }, () => 'never sent')
  const url = await app.listen({ port: 0 })
  const response = await fetch(`${url}/reports`, { headers: { authorization: `Bearer ${sign({ aud: 'reports_api' })}` } })
  t.match(await response.json(), { type: `${DOCS}/problems/insufficient_scope.md`, status: 403 })
})
