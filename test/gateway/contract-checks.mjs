import assert from 'node:assert/strict'
import { until } from './processes.mjs'
import { paddedToken } from './tokens.mjs'

const METADATA = 'https://api.example.com/.well-known/oauth-protected-resource/test-api'
const JSON_TYPE = { 'content-type': 'application/json' }
const OTHER_HEADERS_BYTES = 2_000

/** Method, path below the prefix, token, body; then status, and what else must hold. */
const CALLS = [
  [
    'GET', '/api/public', 'none', undefined, 200,
    ({ body }) => assert.deepEqual(JSON.parse(body), { message: 'No need of Authorization to see this' })
  ],
  [
    'GET', '/api/private', 'none', undefined, 401,
    ({ headers }) => assert.equal(headers['www-authenticate'], `Bearer realm="scopegate", resource_metadata="${METADATA}"`)
  ],
  [
    'GET', '/api/private', 'plain', undefined, 200,
    ({ body }) => assert.deepEqual(JSON.parse(body), { message: 'Authorization is required to see this' })
  ],
  [
    'GET', '/api/private', 'altered', undefined, 401,
    ({ headers }) => assert.match(headers['www-authenticate'], /error="invalid_token".*resource_metadata="https:\/\/api\.example\.com\//)
  ],
  [
    'GET', '/api/private-scoped', 'plain', undefined, 403,
    ({ headers }) => assert.match(headers['www-authenticate'], /error="insufficient_scope".*scope="test_api_access"/)
  ],
  ['GET', '/api/private-scoped', 'scoped', undefined, 200, ({ headers }) => assert.ok(headers['x-request-id'])],
  ['HEAD', '/api/private-scoped', 'scoped', undefined, 200, ({ body }) => assert.equal(body, '')],
  ['HEAD', '/api/private-scoped', 'none', undefined, 401, ({ headers }) => assert.match(headers['www-authenticate'], /^Bearer /)],
  [
    'POST', '/api/messages', 'scoped', '{"text":"Hello"}', 201,
    ({ body }) => assert.deepEqual(JSON.parse(body), { text: 'Hello', from: 'test_api_client' })
  ],
  ['POST', '/api/messages', 'scoped', '{"text":""}', 400],
  ['POST', '/api/messages', 'none', '{"text":"Hello"}', 401],
  ['DELETE', '/api/private', 'scoped', undefined, 405, ({ headers }) => assert.match(headers.allow, /GET/)],
  ['GET', '/no/such/path', 'scoped', undefined, 404],
  ['GET', '/health/live', 'none', undefined, 200]
]

/** The contract of the demo through the gateway, below a path prefix that the gateway strips. */
export async function checkContract ({ check, caller, tokens }) {
  for (const [method, path, token, body, status, holds = () => undefined] of CALLS) {
    await check(`${method} ${path}, token: ${token}${body ? `, body ${body}` : ''}: ${status}`, async () => {
      const headers = { ...tokens[token] && { authorization: `Bearer ${tokens[token]}` }, ...body && JSON_TYPE }
      const response = await caller.call(`/test-api${path}`, { method, headers, body })
      assert.equal(response.status, status, response.error ?? response.body)
      if (status >= 400 && method !== 'HEAD') assert.match(response.headers['content-type'], /^application\/problem\+json/)
      holds(response)
    })
  }
  await check('metadata at the root of the host, with PUBLIC_URL and its path', async () => {
    const { status, body } = await caller.call('/.well-known/oauth-protected-resource/test-api')
    assert.equal(status, 200)
    assert.equal(JSON.parse(body).resource, 'https://api.example.com/test-api')
  })
  await check('nothing of the API outside of the prefix: 404', async () => {
    for (const path of ['/', '/api/public', '/health/ready', '/test-apix/api/public']) {
      assert.equal((await caller.call(path)).status, 404, path)
    }
  })
}

/** Heads of the greatest size pass, and what is one byte too long is refused by the API and not by the gateway. */
export async function checkSizes ({ check, caller, tokens, replicas, folder }) {
  const others = { 'x-other': 'o'.repeat(OTHER_HEADERS_BYTES) }
  const withToken = async (bytes) => {
    const token = await paddedToken(tokens.scoped, bytes, folder)
    assert.equal(token.length, bytes)
    return caller.call('/test-api/api/private-scoped', { headers: { authorization: `Bearer ${token}`, ...others } })
  }
  await check('a token of 15,000 bytes and 2 kB of other headers: 200', async () => {
    const { status, body } = await withToken(15_000)
    assert.equal(status, 200, body)
  })
  await check('one byte more: 401 of the API, with its challenge and its reason in the log', async () => {
    const { status, headers, body } = await withToken(15_001)
    assert.equal(status, 401, body)
    assert.match(headers['www-authenticate'], /error="invalid_token"/)
    assert.match(headers['content-type'], /^application\/problem\+json/)
    const isLogged = () => replicas.some((replica) => replica.lines().some(({ reason }) => reason === 'token_too_large'))
    await until(isLogged, () => 'no replica has logged token_too_large')
  })
}
