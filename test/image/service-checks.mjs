import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'

const READY_DEADLINE_MS = 30_000

/** How the service responds from inside its container. */
export async function checkAnswers ({ check, api, issuer }) {
  await check(
    'GET /health/live: 200',
    async () => assert.deepEqual(await ask(`${api}/health/live`), { status: 200, body: { status: 'ok' } })
  )
  await check('GET /health/ready: 200, the keys are there', () => untilReady(api))
  await check('GET /api/public: 200', async () => assert.equal((await fetch(`${api}/api/public`)).status, 200))
  await check('GET /api/private without a token: 401 and the challenge', async () => {
    const response = await fetch(`${api}/api/private`)
    assert.equal(response.status, 401)
    assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer realm="scopegate"/)
  })
  await check('GET /api/private-scoped with a token of the issuer: 200', async () => {
    assert.equal((await withToken(api, await issuer.token('test_api_access'))).status, 200)
  })
  await check('… with that token cut short: 401', async () => {
    assert.equal((await withToken(api, (await issuer.token('test_api_access')).slice(0, -8))).status, 401)
  })
}

/** With ISSUER as seen from outside and JWKS_URL as seen from inside, as in compose.yaml. */
export async function checkSplitAddresses ({ check, api, issuer }) {
  await check('split addresses: keys fetched at JWKS_URL, tokens of ISSUER accepted', async () => {
    await untilReady(api)
    assert.equal((await withToken(api, await issuer.token('test_api_access'))).status, 200)
    assert.ok(issuer.keysAsked() > 0, 'no request for keys at JWKS_URL')
  })
}

/** SIGTERM: not ready at once, still serving, then an end without a fault. */
export async function checkEnd ({ check, api, container }) {
  let stopping
  await check('SIGTERM: not ready any more, but still serving', async () => {
    stopping = container.stop()
    stopping.catch(() => undefined)
    await until(async () => (await ask(`${api}/health/ready`)).status === 503, 'readiness did not say 503')
    assert.equal((await fetch(`${api}/api/public`)).status, 200)
  })
  await check('… then exit code 0', async () => assert.equal(await stopping, 0))
  await check(
    'nothing in its log was refused by the permission model',
    async () => assert.doesNotMatch(await container.log(), /ERR_ACCESS_DENIED|Permission/)
  )
}

async function ask (url) {
  const response = await fetch(url)
  return { status: response.status, body: await response.json() }
}

function withToken (api, token) {
  return fetch(`${api}/api/private-scoped`, { headers: { authorization: `Bearer ${token}` } })
}

export async function untilReady (api) {
  await until(async () => (await ask(`${api}/health/ready`)).body.status === 'ok', 'not ready')
}

async function until (isSo, otherwise) {
  const end = Date.now() + READY_DEADLINE_MS
  while (!await isSo().catch(() => false)) {
    if (Date.now() > end) throw new Error(`${otherwise} within ${READY_DEADLINE_MS / 1000} s`)
    await pause(100)
  }
}
