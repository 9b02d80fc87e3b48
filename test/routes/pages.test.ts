import { mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { refused } from '../../src/events.ts'
import { firstClient, readProjectRealm } from '../../src/issuer/development-issuer.ts'
import { startDevelopmentIssuer, type DevelopmentIssuer } from '../../src/testing.ts'
import { newKey, type Json } from '../support/issuer.ts'
import { project, up } from '../support/project.ts'
import { startService, until } from '../support/service.ts'

const key = newKey()
const SCRIPT = '<script>alert(1)</script>"\'&'

t.test('our own page: routes, issuer, the last refusals with their explanation, and nothing that runs', async (t) => {
  const { app, get, issuer } = await startService(t, { key, pages: {}, environment: { DOCS_URL: 'https://docs.example.com' } })
  t.match((await get('/docs/access')).text, 'None since the start')
  const token = issuer.token({ aud: 'account', azp: SCRIPT })
  await get('/api/private', token)
  await get('/api/private-scoped', issuer.token({ azp: 'caller' }))
  await get('/nothing')
  const { status, text, headers } = await get('/docs/access')
  t.equal(status, 200)
  t.match(
    headers.get('content-security-policy'),
    /^default-src 'none'; style-src 'sha256-[^']+'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/
  )
  t.equal(headers.get('cache-control'), 'no-store')
  t.match(text, /<td>GET<\/td><td><code>\/api\/private-scoped<\/code><\/td><td>valid token: scope test_api_access<\/td>/)
  t.notMatch(text, /<td>HEAD<|\/docs\/static/)
  t.match(text, new RegExp(`<code>${issuer.issuer}</code>[^]*1 known, read 0 s ago[^]*<code>${key.kid}</code>`))
  t.match(
    text,
    /403 <a href="https:\/\/docs\.example\.com\/reference\/reasons\.md#scope_missing"><code>scope_missing<\/code>[^]*caller[^]*401 <a [^>]+><code>audience_mismatch/,
    'the newest first'
  )
  t.match(text, 'Include in token scope')
  t.notMatch(text, /<script|alert\(1\)<\/script>/, 'escaped')
  t.match(text, '&#60;script&#62;alert(1)', 'shown')
  for (const part of token.split('.')) t.notOk(text.includes(part), 'no part of the token')
  t.equal(app.recentRefusals().length, 2, 'a 404 is not a refusal')
})

t.test('of refusals the newest 50 are kept, and none after the end', async (t) => {
  const { app, get } = await startService(t, { key, pages: {} })
  for (let at = 0; at < 60; at++) await get(at < 15 ? '/api/private' : '/api/private-scoped')
  t.equal(app.recentRefusals().length, 50)
  t.equal((await get('/docs/access')).text.match(/<li>/g)?.length, 50)
  t.equal(app.recentRefusals().filter(({ route }) => route === '/api/private').length, 5)
  t.ok(refused.hasSubscribers)
  await app.close()
  t.notOk(refused.hasSubscribers)
})

t.test('refusals are shown on this machine only: not through a proxy, not under a foreign name', async (t) => {
  const { app, get } = await startService(t, { key, pages: {} })
  await get('/api/private')
  t.match((await get('/docs/access')).text, 'credentials_missing')
  t.notMatch((await get('/docs/access', undefined, { 'x-forwarded-for': '1.2.3.4' })).text, 'credentials_missing')
  t.notMatch((await app.inject({ url: '/docs/access', headers: { host: 'evil.example' } })).body, 'credentials_missing')
})

t.test('the state of keys: none, and known while the issuer is unreachable', async (t) => {
  const none = await startService(t, {
    key, pages: {}, impatient: true, environment: { JWKS_URL: 'http://localhost:1/certs', AUDIENCE: '*' }
  })
  await until(() => none.app.keyring.state().error !== undefined)
  t.match(
    (await none.get('/docs/access')).text,
    /<section class="bad">[^]*any or none[^]*none: protected routes respond 503; the last fetch failed: /
  )
  const known = await startService(t, { key, pages: {}, environment: { KEYS_REFRESH_SECONDS: '1' } })
  known.issuer.behaviour = (_request, response) => response.writeHead(500).end()
  await until(() => known.app.keyring.state().error !== undefined)
  t.match((await known.get('/docs/access')).text, /<section class="doubtful">[^]*1 known, read \d+ s ago; the last fetch failed: /)
})

t.test('the API page: closed policy, no foreign host, no validator', async (t) => {
  const { app, get, issuer } = await startService(t, { key, pages: {}, environment: { PUBLIC_URL: 'https://api.example.com' },
    prepare: (app) => app.get('/things/:id', { config: { auth: { optional: true } } }, () => 'x') })
  for (const path of ['/docs', '/docs/', '/docs/static/swagger-initializer.js', '/docs/json', '/docs/static/theme/theme.css']) {
    const { status, headers, text } = await get(path)
    t.equal(status, 200, path)
    t.equal(
      headers.get('content-security-policy'),
      'default-src \'none\'; script-src \'self\'; style-src \'self\'; img-src \'self\' data:; connect-src \'self\'; base-uri \'none\'; ' +
      'form-action \'none\'; frame-ancestors \'none\''
    )
    t.notMatch(text.replaceAll(issuer.issuer, ''), /https?:\/\/(?!stackoverflow)/, `${path} names no other host`)
  }
  t.match((await get('/docs/static/swagger-initializer.js')).text, /validatorUrl: null/)
  const { servers, components: { securitySchemes }, paths } = (await get('/docs/json')).body as Partial<Document> as Document
  t.same(servers, [{ url: '/' }])
  t.same(Object.keys(securitySchemes), ['accessToken'], 'a token is pasted')
  t.match(paths['/api/private-scoped']?.get, { summary: 'valid token: scope test_api_access', security: [{ accessToken: [] }] })
  t.match(paths['/api/public']?.get, { summary: 'anyone', security: undefined })
  t.match(paths['/things/{id}']?.get, { summary: 'anyone; a token that is presented must be valid' })
  t.match(
    ((await get('/openapi.json')).body as Partial<Document> as Document).servers,
    [{ url: 'https://api.example.com' }],
    'the document itself is as it was'
  )
  t.match(app.access.routes().find(({ url }) => url === '/docs/static/*'), { by: 'trusted: /docs/*', access: { mode: 'public' } })
  t.equal((await get('/docs/token')).status, 404, 'no tokens without the development issuer')
})

t.test('with DPOP=required both pages say that a token must be bound to a key', async (t) => {
  const environment = { PUBLIC_URL: 'https://api.example.com', DPOP: 'required' }
  const { get } = await startService(t, { key, pages: {}, environment })
  t.match((await get('/docs/json')).text, /this page has none: its calls get 401\. `CLIENT_DPOP=on npm run client`/)
  t.match((await get('/docs/access')).text, /<code>\/api\/private<\/code><\/td><td>valid token: bound to a key</)
  const allowed = await startService(t, { key, pages: {}, environment: { ...environment, DPOP: 'allowed' } })
  t.notMatch((await allowed.get('/docs/json')).text, /bound to a key, and this page/)
})

interface Document {
  readonly servers: object[]
  readonly components: { readonly securitySchemes: Readonly<Record<string, { readonly flows?: Json }>> }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>
}

const client = firstClient(readProjectRealm())
const basic = (secret: string): string => `Basic ${Buffer.from(`${client.clientId}:${secret}`).toString('base64')}`

async function withDevelopmentIssuer (t: Test): Promise<{ url: string, issuer: DevelopmentIssuer }> {
  const issuer = await startDevelopmentIssuer()
  const config = loadConfig({})
  const own = { issuer: issuer.issuer, jwksUrl: issuer.jwksUrl }
  const app = await buildApp({ ...config, ...own, issuers: config.issuers.map((one) => ({ ...one, ...own })) }, { pages: { client } })
  t.teardown(async () => {
    await app.close()
    await issuer.close()
  })
  return { url: await app.listen({ host: 'localhost', port: 0 }), issuer }
}

t.test('the API page gets tokens of the development issuer, for pages of this machine only', async (t) => {
  const { url, issuer } = await withDevelopmentIssuer(t)
  const document = await (await fetch(`${url}/docs/json`)).json() as Document
  t.match(document.components.securitySchemes, {
    clientCredentials: { flows: { clientCredentials: { tokenUrl: '/docs/token', scopes: { test_api_access: String } } } }, accessToken: {}
  })
  t.match(document.paths['/api/private-scoped']?.get, { security: [{ clientCredentials: ['test_api_access'] }, { accessToken: [] }] })
  t.match(await (await fetch(`${url}/docs/static/swagger-initializer.js`)).text(), /initOAuth\(\{[^}]*test_api_client/)

  const request = async (
    headers: Record<string, string>,
    body = 'grant_type=client_credentials&scope=test_api_access'
  ): Promise<readonly [number, Json]> => {
    const response = await fetch(`${url}/docs/token`, {
      method: 'POST', headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers }, body
    })
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.equal(response.headers.get('access-control-allow-origin'), null)
    return [response.status, await response.json() as Json]
  }
  const ours = { 'x-requested-with': 'XMLHttpRequest', authorization: basic(client.clientSecret) }
  const [status, { access_token: token }] = await request(ours)
  t.equal(status, 200)
  t.equal((await fetch(`${url}/api/private-scoped`, { headers: { authorization: `Bearer ${String(token)}` } })).status, 200)
  t.match(await request({ ...ours, authorization: basic('wrong') }), [401, { error: 'unauthorized_client' }])
  t.match(await request(
    { 'x-requested-with': 'x' },
    `grant_type=client_credentials&client_id=${client.clientId}&client_secret=${client.clientSecret}`
  ), [200, { token_type: 'Bearer' }])
  t.match(await request({ authorization: ours.authorization }), [403, { error: 'invalid_request' }], 'a form of another site')
  t.match(await request({ ...ours, 'x-forwarded-for': '1.2.3.4' }), [403, { error: 'invalid_request' }], 'through a proxy')
  t.equal((await fetch(`${url}/docs/token`, {
    method: 'POST', headers: { ...ours, 'content-type': 'application/x-www-form-urlencoded' }, body: 'x'.repeat(9_000)
  })).status, 413)
  await issuer.close()
  t.match(await request(ours), [503, { error: 'temporarily_unavailable' }])
})

t.test('without Swagger UI there is our own page alone', async (t) => {
  const { get, lines } = await startService(t, { key, pages: { load: () => Promise.reject(new Error('not installed')) } })
  t.equal((await get('/docs')).status, 404)
  const { status, text } = await get('/docs/access')
  t.equal(status, 200)
  t.notMatch(text, 'href="/docs"')
  t.ok(lines.some(({ msg }) => /API page is not served/.test(String(msg))))
})

t.test('the process: pages outside production, also where development dependencies are missing; none in production', async (t) => {
  const { folder, start } = project(t)
  rmSync(join(folder, 'node_modules'))
  for (const name of ['.', '@fastify']) {
    mkdirSync(join(folder, 'node_modules', name))
    for (const one of readdirSync(join('node_modules', name)).filter((entry) => entry !== '@fastify' && entry !== 'swagger-ui')) {
      symlinkSync(resolve('node_modules', name, one), join(folder, 'node_modules', name, one))
    }
  }
  const development = start()
  const production = start([], { NODE_ENV: 'production', ISSUER: 'http://localhost:1/realms/x', AUDIENCE: 'x' })
  await Promise.all([up(development), until(() => production.out().includes('listening on'), 30_000)])
  t.equal((await fetch(`${development.api()}/docs/access`)).status, 200)
  t.equal((await fetch(`${development.api()}/docs`)).status, 404)
  const address = /listening on (http:\S+?)"/.exec(production.out())?.[1] ?? ''
  for (const path of ['/docs', '/docs/', '/docs/access', '/docs/json', '/docs/static/swagger-ui.css', '/openapi.json']) {
    t.equal((await fetch(`${address}${path}`)).status, 404, path)
  }
  t.equal((await fetch(`${address}/docs/token`, { method: 'POST' })).status, 404)
})
