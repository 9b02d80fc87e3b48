import assert from 'node:assert/strict'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePorts } from '../support/free-ports.mjs'
import { Caller, rawRequest, statusOf } from './callers.mjs'
import { gateway } from './gateways.mjs'
import { PUBLIC_URL, startHost } from './path-host.mjs'
import { until } from './processes.mjs'

/** What a caller writes as the `:id` of /items/:id: where a gateway decodes it, or encodes it in another way, no proof fits. */
const IDS = [
  'a', 'user%40example.com', 'a%3Ab', 'a%2Cb', 'a%2Bb', 'a+b', 'a%26b', 'a%3Db', 'a%3Bb', 'a%24b', 'a%21b', 'a%27b', 'a%28b%29', 'a%2Ab',
  'a%2Fb', 'a%3Fb', 'a%23b', 'a%5Bb%5D', 'a%25b', 'a%2540b', 'a%20b', 'a%22b', 'a%C3%A4', '%E2%82%AC', 'a@b', 'a:b,c;d=e', 'a%2fb%3a',
  'a..b'
]
/** RFC 3986 section 6.2.2.2: an unreserved character that is encoded is the same path, which a gateway may write either way. */
const SAME_IDS = ['%7Eb', '%61b', 'a%2Db', 'a%2eb']
const QUERIES = ['?x=1', '?x=a%40b%2Fc+d%20e', '?next=/../x&a=%2e%2e/', '?', '?a=b?c&&d', '?q=%zz']
/** The root below the prefix, as callers write it; a proof names it without the query. */
const ROOTS = ['', '/', '?x=1', '/?x=1']

/** Nothing of these begins with the prefix as it is written in the configuration; some gateways resolve a path before they choose. */
const OUTSIDE = [
  '/', '//', '/items/a', '//test-api/items/a', '/./test-api/items/a', '/%74est-api/items/a', '/test%2Dapi/items/a', '/%2Ftest-api/items/a',
  '/TEST-API/items/a', '/x/../test-api/items/a', '/x/%2e%2e/test-api/items/a', '/x/%2E./test-api/items/a', '/other/..%2f',
  '/other/..%2ftest-api/items/a', '/other%2f..%2ftest-api/items/a', '/test-apix/items/a', '/test-api;x/items/a', '/test-api%2Fitems/a',
  '/test-api%3Fx', '/x?/test-api/items/a', '/x?/../test-api/items/a', 'https://api.example.com/x/../test-api/items/a',
  'https://api.example.com', 'https://api.example.com?/test-api/', 'test-api/items/a', '*',
  '/items/a/../../.well-known/oauth-protected-resource/test-api', '/items/%2e%2e/.well-known/oauth-protected-resource/test-api',
  '/.well-known/oauth-protected-resource/test-api/../../../test-api/items/a',
  '/.well-known/oauth-protected-resource/test-api/%2e%2e/%2e%2e/%2e%2e/test-api/items/a',
  '/.well-known/oauth-protected-resource/test-api/..%2f..%2f..%2ftest-api/items/a'
]
/** The prefix, and a way out of what nginx and Caddy have chosen by. */
const DOT_SEGMENTS = [
  '/test-api/../items/a', '/test-api/..%2fitems/a', '/test-api/x/../items/a', '/test-api/x/%2E%2e/items/a', '/test-api/x/..%2Fitems/a',
  '/test-api/x%2F..%2Fitems/a', '/test-api/./items/a', '/test-api/items/a/..', '/test-api/items/a/%2e?x', '/test-api/../test-api/items/a'
]
/** nginx sends the fixed path of the metadata for every spelling of it. */
const METADATA_RESPELT = '/test-api/../.well-known/oauth-protected-resource/test-api'
const FRAGMENTS = ['/test-api/items/a#x', '/test-api/items/a?x#y']
/** What a gateway that resolves dot segments may make of OUTSIDE: the path that it has chosen a route by. */
const RESOLVED = ['/items/a', '/.well-known/oauth-protected-resource/test-api']

/** Both variants: the service gets the path as the caller wrote it, without the prefix, or the gateway refuses the request. */
export async function checkPaths ({ name, folder, certificate, check }) {
  const host = await startHost()
  await copyFile(join(folder, 'tls.crt'), join(folder, 'callers.pem'))
  try {
    for (const variant of ['plain', 'mtls']) {
      const [port] = await freePorts(1)
      const running = await gateway(name, { folder, port, upstreams: [host.port, host.port], variant })
      running.start()
      const caller = new Caller({ port, certificate })
      try {
        await check(`paths, ${variant}: it starts`, () =>
          until(async () => (await caller.call('/test-api/health/ready')).status === 200, () => running.output.slice(-800)))
        const stage = { name, host, caller, check: (what, examine) => check(`paths, ${variant}: ${what}`, examine) }
        await checkProofs(stage)
        await checkOutside(stage)
      } finally {
        caller.close()
        await running.end()
      }
    }
  } finally {
    await host.close()
  }
}

async function checkProofs ({ name, host, caller, check }) {
  const get = async (target) => {
    const headers = await host.headersFor(`https://api.example.com${target.split('?')[0]}`)
    const { status, body, error } = await caller.call(target, { headers })
    assert.equal(status, 200, `${target}: ${error ?? body}`)
    return JSON.parse(body)
  }
  await check('a path with encoded reserved characters and its DPoP proof: 200, and it arrives as written', async () => {
    for (const id of IDS) {
      assert.deepEqual(await get(`/test-api/items/${id}`), { target: `/items/${id}`, id: decodeURIComponent(id) })
    }
  })
  await check('an encoded unreserved character: 200, and the same path arrives', async () => {
    for (const id of SAME_IDS) assert.equal((await get(`/test-api/items/${id}`)).id, decodeURIComponent(id))
  })
  await check('a query arrives as written', async () => {
    for (const query of QUERIES) assert.equal((await get(`/test-api/items/a%40b${query}`)).target, `/items/a%40b${query}`)
  })
  await check('the root below the prefix, with and without a slash: 200 with a DPoP proof for the address as written', async () => {
    for (const root of ROOTS) assert.equal((await get(`/test-api${root}`)).target, `/${root.replace(/^\//, '')}`, root)
  })
  await check('a proof for another path: 401', async () => {
    for (const [target, named] of [
      ['/items/a%40b', '/items/a%2540b'], ['/items/a%40b', '/items/a@b'], ['/items/a%2Fb', '/items/a/b'], ['', '/items/a'], ['/items/a', '']
    ]) {
      const headers = await host.headersFor(PUBLIC_URL + named)
      assert.equal((await caller.call(`/test-api${target}`, { headers })).status, 401, `${target}, named ${named}`)
    }
  })
  await check('the same over HTTP/2: 200', async () => {
    for (const target of ['/items/user%40example.com', '/items/a%2Fb?x=%40', '', '?x=1']) {
      assert.equal(await caller.http2(`/test-api${target}`, await host.headersFor(PUBLIC_URL + target.split('?')[0])), 200, target)
    }
  })
  await check('HTTP/1.0 and absolute-form: a response, and never another path', async () => {
    const from = host.seen.length
    const lines = async () => Object.entries(await host.headersFor(`${PUBLIC_URL}/items/a%40b`)).map(([key, value]) => `${key}: ${value}`)
    const old = rawRequest('/test-api/items/a%40b', await lines()).replace('HTTP/1.1', 'HTTP/1.0')
    // Envoy serves no HTTP/1.0.
    assert.equal(statusOf(await caller.raw(old)), name === 'envoy' ? 426 : 200)
    const absolute = statusOf(await caller.raw(rawRequest('https://api.example.com/test-api/items/a%40b', await lines())))
    // HAProxy passes it on in the same form.
    assert.equal(absolute, 200)
    for (const target of host.seen.slice(from)) assert.match(target, /^(?:https:\/\/api\.example\.com)?\/items\/a%40b$/)
  })
  await check('connections to the API are kept', async () => {
    const from = host.connections
    for (let count = 0; count < 100; count++) await caller.call('/test-api/items/a%40b')
    // Health checks have connections of their own.
    assert.ok(host.connections - from < 20, `${host.connections - from} connections for 100 requests`)
  })
}

async function checkOutside ({ name, host, caller, check }) {
  const headers = async (target) => {
    const named = target.startsWith('/') ? `https://api.example.com${target.split(/[?#]/)[0]}` : PUBLIC_URL
    return Object.entries(await host.headersFor(named)).map(([key, value]) => `${key}: ${value}`)
  }
  await check('what does not begin with the prefix as it is written does not reach the service in another form', async () => {
    for (const target of OUTSIDE) {
      const from = host.seen.length
      const status = statusOf(await caller.raw(rawRequest(target, await headers(target))))
      const arrived = host.seen.slice(from)
      if (name === 'envoy') assert.ok(arrived.every((path) => RESOLVED.includes(path)), `${target} arrived as ${arrived}`)
      else {
        assert.ok([400, 404].includes(status), `${target}: status ${status}, arrived as ${arrived}`)
        assert.deepEqual(arrived.filter((path) => path !== RESOLVED[1]), [], target)
      }
    }
  })
  // Envoy resolves what it passes on, and HAProxy chooses by the path that it passes on.
  if (name !== 'nginx' && name !== 'caddy') return
  await check(`a path with dot segments does not reach the service: ${name} chooses by another path`, async () => {
    for (const target of name === 'nginx' ? [...DOT_SEGMENTS, ...FRAGMENTS] : [...DOT_SEGMENTS, METADATA_RESPELT]) {
      const from = host.seen.length
      assert.equal(statusOf(await caller.raw(rawRequest(target, await headers(target)))), 404, target)
      assert.deepEqual(host.seen.slice(from), [], target)
    }
  })
}
