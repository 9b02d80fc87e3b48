import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { rawRequest, statusOf } from './callers.mjs'
import { until } from './processes.mjs'

const CALLER = '127.0.0.2'
const GATEWAY = '127.0.0.1'
const LIES = {
  'x-forwarded-for': '203.0.113.9', 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'http', 'x-forwarded-port': '1',
  'x-forwarded-prefix': '/evil',
  'x-forwarded-server': 'evil.example', 'x-real-ip': '203.0.113.9', forwarded: 'for=203.0.113.9;host=evil.example;proto=http',
  'client-cert': ':ZXZpbA==:', 'client-cert-chain': ':ZXZpbA==:', 'x-original-url': '/api/public', 'x-rewrite-url': '/api/public'
}
const PRIVATE = '/test-api/api/private'

/** Requests that must not open a route, and lies that must not be believed. */
export async function checkHostile (stage) {
  const { check, caller, tokens } = stage
  const good = `Authorization: Bearer ${tokens.scoped}`
  const bad = 'Authorization: Bearer not.a.token'
  const closed = async (name, text, allowed = [400, 401, 404]) => check(`${name}: ${allowed.join(' or ')}`, async () => {
    const status = statusOf(await caller.raw(text))
    assert.ok(allowed.includes(status), `status ${status}`)
  })
  await closed('two Authorization lines, the first good', rawRequest(PRIVATE, [good, bad]), [400, 401])
  await closed('two Authorization lines, the second good', rawRequest(PRIVATE, [bad, good]), [400, 401])
  await closed('two Authorization lines, both good', rawRequest(PRIVATE, [good, good]), [400, 401])
  await closed('two tokens in one line', rawRequest(PRIVATE, [`${good},Bearer ${tokens.scoped}`]), [400, 401])
  await closed('Connection: authorization, with a token', rawRequest(PRIVATE, [good, 'Connection: authorization']), [200, 400, 401])
  await closed('Connection: authorization, without', rawRequest(PRIVATE, ['Connection: authorization']))
  await closed('absolute-form, of this host', rawRequest(`https://api.example.com${PRIVATE}`))
  await closed('absolute-form, of another host', rawRequest(`http://evil.example${PRIVATE}`, [], 'evil.example'), [400, 401, 404, 421])
  for (const path of [
    '/test-api/api/public/../private', '/test-api/./api/private', '/test-api//api/private', '/test-api/api%2fprivate',
    '/test-api/api/public/..%2fprivate'
  ]) {
    await closed(`GET ${path} without a token`, rawRequest(path))
  }
  await check('nothing that a caller claims about itself is in the challenge or in the metadata', async () => {
    const challenge = await caller.call(PRIVATE, { headers: LIES })
    assert.equal(challenge.status, 401)
    const metadata = await caller.call('/.well-known/oauth-protected-resource/test-api', { headers: LIES })
    assert.equal(metadata.status, 200)
    assert.doesNotMatch(JSON.stringify([challenge, metadata]), /evil|203\.0\.113/)
  })
  await checkAddresses(stage)
}

/** The first replica trusts the gateway, the second does not. */
async function checkAddresses ({ check, caller, replicas }) {
  await check(`the log has the caller's address (${CALLER}) with TRUST_PROXY, and the gateway's without`, async () => {
    const responses = await Promise.all(Array.from({ length: 40 }, () => caller.call(PRIVATE, { headers: LIES, localAddress: CALLER })))
    for (const { status } of responses) assert.equal(status, 401)
    const ids = new Set(responses.map(({ headers }) => headers['x-request-id']))
    const logged = () => replicas.map((replica) => replica.lines().filter(({ reqId, route }) => route === '/api/private' && ids.has(reqId)))
    await until(
      () => logged().flat().length === responses.length,
      () => `lines of ${responses.length} requests: ${logged().map(({ length }) => length).join(' and ')}`
    )
    const addresses = logged().map((lines) => lines.map(({ address }) => address))
    assert.deepEqual(addresses.map((those) => [...new Set(those)]), [[CALLER], [GATEWAY]])
  })
}

/** Stands in for a replica where only the service's own view counts: what arrives there, as it arrives. */
export async function startMirror () {
  const mirror = { ready: true }
  const server = createServer((request, response) => {
    const status = request.url === '/health/ready' && !mirror.ready ? 503 : 200
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(request.rawHeaders))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(mirror, { port: server.address().port, close: () => { server.closeAllConnections(); server.close() } })
}

/** The headers as they arrive behind the gateway: name in lower case → all values. */
export async function arriving (caller, headers, path = PRIVATE) {
  const { status, body, error } = await caller.call(path, { headers, localAddress: CALLER })
  assert.equal(status, 200, error ?? body)
  const raw = JSON.parse(body)
  const found = {}
  for (let at = 0; at < raw.length; at += 2) (found[raw[at].toLowerCase()] ??= []).push(raw[at + 1])
  return found
}

/** What the API sees of a caller that lies, at a mirror in the place of both replicas. */
export async function checkArriving ({ check, mirrored }) {
  const id = '0af76519-16cd-43dd-8448-eb211c80319c'
  const trace = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', tracestate: 'congo=t61rcWkgMzE' }
  const seen = await arriving(mirrored, { ...LIES, ...trace, authorization: 'Bearer abc.def.ghi', 'x-request-id': id })
  await check('Client-Cert and Client-Cert-Chain of the caller are removed', () => {
    assert.deepEqual([seen['client-cert'], seen['client-cert-chain']], [undefined, undefined])
  })
  await check('no Forwarded, X-Real-IP or X-Forwarded-* of the caller arrives', () => {
    assert.deepEqual(seen['x-forwarded-for'], [CALLER])
    assert.deepEqual(seen['x-forwarded-proto'], ['https'])
    for (const name of ['forwarded', 'x-real-ip', 'x-forwarded-prefix', 'x-forwarded-server', 'x-forwarded-port']) {
      assert.equal(seen[name], undefined, name)
    }
    assert.match(String(seen['x-forwarded-host']), /^api\.example\.com(:\d+)?$/)
  })
  await check('Authorization arrives unchanged', () => assert.deepEqual(seen.authorization, ['Bearer abc.def.ghi']))
  await check('correlation id, traceparent and tracestate are handed on', () => {
    assert.deepEqual([seen['x-request-id'], seen.traceparent, seen.tracestate], [[id], [trace.traceparent], [trace.tracestate]])
  })
  await check('a request without a correlation id gets one from the gateway', async () => {
    const ids = [await arriving(mirrored, {}), await arriving(mirrored, {})].map((headers) => String(headers['x-request-id']))
    for (const one of ids) assert.match(one, /^[0-9a-f-]{32,36}$/)
    assert.notEqual(ids[0], ids[1])
  })
  await check('two spellings of a header that the gateway removes: neither arrives', async () => {
    const both = await arriving(mirrored, { 'Client-CERT': [':ZXZpbA==:', ':bW9yZQ==:'], 'CLIENT-cert-Chain': ':ZXZpbA==:' })
    assert.deepEqual([both['client-cert'], both['client-cert-chain']], [undefined, undefined])
  })
}
