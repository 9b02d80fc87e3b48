// recipes.mjs axios|got|undici|python|go ROOT: what docs/how-to/call-an-api.md prints, at an issuer and an API. 75: the tool is not there.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import scopegate from 'scopegate'
import { createClient } from 'scopegate/client'
import { startDevelopmentIssuer } from 'scopegate/testing'

const SKIPPED = 75
const [recipe, root] = process.argv.slice(2)
const run = promisify(execFile)

/** A code block of the page, for this API. */
function printed (begin, apiUrl) {
  const page = readFileSync(join(root, 'docs/how-to/call-an-api.md'), 'utf8')
  const block = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code).find((code) => code.startsWith(begin))
  assert.ok(block !== undefined, `no block that begins with ${begin}`)
  return block.replaceAll('https://api.example/', apiUrl)
}

/** Gives what `const api` of a block is. */
const evaluated = (block, names, values) => new Function(...names, `${block}\nreturn api`)(...values)

/** An issuer of token-1, token-2, … and an API that refuses the first: each recipe must request another one, once. */
async function refusingOnce (call) {
  let issued = 0
  const seen = []
  const server = createServer((request, response) => {
    request.resume()
    const json = (status, body, headers = {}) =>
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body))
    if (request.method === 'POST') return json(200, { access_token: `token-${++issued}`, token_type: 'Bearer', expires_in: 300 })
    seen.push(request.headers.authorization)
    return request.headers.authorization === 'Bearer token-2'
      ? json(200, { ok: true })
      : json(401, {}, { 'www-authenticate': 'Bearer error="invalid_token"' })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const apiUrl = `http://127.0.0.1:${server.address().port}/`
  const client = createClient({ tokenEndpoint: `${apiUrl}token`, clientId: 'job', clientSecret: 'not-a-real-secret', apiUrl })
  try {
    assert.deepEqual(await call({ client, apiUrl }), { ok: true })
    assert.deepEqual(await call({ client, apiUrl }), { ok: true })
    assert.deepEqual(seen, ['Bearer token-1', 'Bearer token-2', 'Bearer token-2'])
    assert.equal(issued, 2)
  } finally {
    await client.close()
    server.close()
    server.closeAllConnections()
  }
}

/** A program of examples/ at the development issuer and a service with the plugin. */
async function program (command, args, file) {
  const there = await run(command, [command === 'go' ? 'version' : '--version']).then(() => true, () => false)
  if (!there) {
    process.stdout.write(`${command} is not there`)
    process.exit(SKIPPED)
  }
  const issuer = await startDevelopmentIssuer({ port: 0 })
  const app = Fastify()
  await app.register(scopegate, { issuer: issuer.issuer, audience: 'test_api' })
  app.get('/orders', { config: { auth: { scopes: ['test_api_access'] } } }, (request) => ({ for: request.principal.clientId }))
  const api = await app.listen({ port: 0, host: '127.0.0.1' })
  try {
    const env = { ...process.env, TOKEN_ENDPOINT: issuer.tokenEndpoint, API_URL: `${api}/orders` }
    const { stdout } = await run(command, [...args, join(root, 'examples', file)], { env })
    assert.deepEqual(JSON.parse(stdout), { for: 'test_api_client' })
    const wrong = await run(command, [...args, join(root, 'examples', file)], { env: { ...env, CLIENT_SECRET: 'wrong' } }).then(
      () => undefined,
      (error) => error
    )
    assert.equal(wrong?.stdout, '', 'a wrong secret is an error')
    assert.match(wrong.stderr, /401/)
  } finally {
    await app.close()
    await issuer.close()
  }
}

const RECIPES = {
  axios: () => refusingOnce(async ({ client, apiUrl }) => {
    const { default: axios } = await import('axios')
    return (await evaluated(printed('const api = axios', apiUrl), ['axios', 'client'], [axios, client]).get('orders')).data
  }),
  got: () => refusingOnce(async ({ client, apiUrl }) => {
    const { default: got } = await import('got')
    return await evaluated(printed('const api = got', apiUrl), ['got', 'client'], [got, client])(`${apiUrl}orders`).json()
  }),
  undici: () => refusingOnce(async ({ client, apiUrl }) => {
    const { Agent, request } = await import('undici')
    const { body } = await request(`${apiUrl}orders`, { dispatcher: new Agent().compose(client.interceptor()) })
    return await body.json()
  }),
  python: () => program('python3', [], 'python/client.py'),
  go: () => program('go', ['run'], 'go/client.go')
}
await RECIPES[recipe]()
