import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { soon, startApi, type Api, type Json } from '../support/keycloak-api.ts'
import { credentials, decode, tokenOf } from '../support/keycloak-tokens.ts'

const WITHOUT_AUDIENCE = ['basic', 'acr', 'profile', 'email', 'roles', 'service_account']

const audience = (name: string): Json => ({
  name: `audience ${name}`, protocol: 'openid-connect', protocolMapper: 'oidc-audience-mapper',
  config: { 'included.custom.audience': name, 'access.token.claim': 'true' }
})

/** Routes of every kind of demand, and one that returns who is calling. */
function routes (app: FastifyInstance): void {
  const ok = (): Json => ({ ok: true })
  app.get('/test/me', { config: { auth: { scopes: [] } } }, ({ principal: { clientId, kind, scopes, realmRoles, clientRoles, issuer } }) =>
    ({ clientId, kind, scopes, realmRoles, clientRoles, issuer }))
  app.get('/test/auditor', { config: { auth: { realmRoles: ['auditor'] } } }, ok)
  app.get('/test/writer', { config: { auth: { clientRoles: { test_api: ['writer'] } } } }, ok)
  app.get(
    '/test/both',
    { config: { auth: { scopes: ['test_api_access'], realmRoles: ['auditor'], clientRoles: { test_api: ['writer'] }, kind: 'service' } } },
    ok
  )
}

/** What real access tokens look like, and what the service makes of them. */
export async function tokens (t: Test, url: string): Promise<void> {
  const realm = await testRealm(t, url, `tokens-${process.pid}`)
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api', CLOCK_TOLERANCE_SECONDS: '0' }, { prepare: routes })
  await t.test('the optional scope is in the token only when requested', (t) => scopes(t, realm, api))
  await t.test('aud: absent, one, several', (t) => audiences(t, realm, api))
  await t.test('roles', (t) => roles(t, realm, api))
  await t.test('the forms of an access token', (t) => forms(t, realm, api))
  await t.test('RFC 9068 strictly', (t) => strictly(t, realm))
  await t.test('a token is refused as soon as it has expired', (t) => expiry(t, realm, api))
}

async function scopes (t: Test, { issuer }: TestRealm, api: Api): Promise<void> {
  const scopesOf = async (scope?: string): Promise<string[]> => {
    const { status, body } = await api.get('/test/me', await tokenOf(issuer, credentials('test_api_client', scope)))
    t.match({ status, body }, { status: 200, body: { clientId: 'test_api_client', kind: 'service', issuer } })
    return (body.scopes as string[]).sort()
  }
  t.same(await scopesOf(), ['email', 'profile'])
  t.same(await scopesOf('test_api_access'), ['email', 'profile', 'test_api_access'])
  t.same(await scopesOf('openid email'), ['email', 'openid', 'profile'])
}

async function audiences (t: Test, realm: TestRealm, api: Api): Promise<void> {
  await realm.addClient('two_audiences', { protocolMappers: [audience('another_api')] })
  await realm.addClient('other_audiences', {
    defaultClientScopes: WITHOUT_AUDIENCE, protocolMappers: [audience('another_api'), audience('test_api_2')]
  })
  await realm.addClient('full_scope', { fullScopeAllowed: true })
  const cases: ReadonlyArray<readonly [clientId: string, aud: unknown, status: number, reason?: string]> = [
    ['test_stranger_client', undefined, 401, 'audience_mismatch'],
    ['test_api_client', 'test_api', 200],
    ['two_audiences', ['another_api', 'test_api'], 200],
    ['full_scope', ['account', 'test_api'], 200],
    ['other_audiences', ['another_api', 'test_api_2'], 401, 'audience_mismatch']
  ]
  for (const [clientId, aud, status, reason] of cases) {
    const token = await tokenOf(realm.issuer, credentials(clientId))
    const given = decode(token).payload.aud
    t.same(Array.isArray(given) ? given.sort() : given, aud, `${clientId}: what Keycloak writes`)
    if (reason === undefined) t.match(await api.get('/api/private', token), { status })
    else t.match(await api.refusal(token), { status, reason, hint: /Add mapper, By configuration, Audience, and choose test_api/ })
  }
}

async function roles (t: Test, { issuer }: TestRealm, api: Api): Promise<void> {
  const holder = await tokenOf(issuer, credentials('test_roles_client', 'test_api_access'))
  t.match((await api.get('/test/me', holder)).body, { realmRoles: ['auditor'], clientRoles: { test_api: ['writer'] } })
  for (const path of ['/test/auditor', '/test/writer', '/test/both']) t.match(await api.get(path, holder), { status: 200 }, path)
  const other = await tokenOf(issuer, credentials('test_api_client', 'test_api_access'))
  t.match((await api.get('/test/me', other)).body, { realmRoles: [], clientRoles: {} })
  t.match(await api.refusal(other, '/test/auditor'), {
    status: 403,
    reason: 'role_missing',
    challenge: /error="insufficient_scope", error_description="The access token lacks the realm role auditor"/
  })
  t.match(await api.refusal(other, '/test/writer'), {
    status: 403, reason: 'role_missing', challenge: /lacks the role writer of client test_api"/
  })
  t.match(
    await api.refusal(await tokenOf(issuer, credentials('test_roles_client')), '/test/both'),
    { status: 403, reason: 'scope_missing' }
  )
}

async function forms (t: Test, realm: TestRealm, api: Api): Promise<void> {
  const AT_JWT = { 'access.token.header.type.rfc9068': 'true' }
  const LIGHT = { 'client.use.lightweight.access.token.enabled': 'true' }
  const cases: ReadonlyArray<readonly [name: string, attributes: Json, header: Json, payload: Json]> = [
    ['at_jwt', AT_JWT, { typ: 'at+jwt' }, { typ: 'Bearer' }],
    ['lightweight', LIGHT, { typ: 'JWT' }, { jti: /^trltcc:/, client_id: undefined }],
    ['at_jwt_lightweight', { ...AT_JWT, ...LIGHT }, { typ: 'at+jwt' }, { jti: /^trltcc:/ }],
    ['lower_case', { 'token.response.type.bearer.lower-case': 'true' }, { typ: 'JWT' }, { typ: 'bearer' }]
  ]
  for (const [name, attributes, header, payload] of cases) {
    await realm.addClient(name, { attributes })
    const token = await tokenOf(realm.issuer, credentials(name, 'test_api_access'))
    t.match(decode(token), { header, payload }, `${name}: what Keycloak writes`)
    t.match(await api.get('/test/me', token), { status: 200, body: { clientId: name, kind: 'service' } })
    t.match(await api.get('/api/private-scoped', token), { status: 200 })
  }
}

async function strictly (t: Test, { issuer }: TestRealm): Promise<void> {
  const api = await startApi(t, { ISSUER: issuer, AUDIENCE: 'test_api', TOKEN_KIND: 'at+jwt' })
  t.match(await api.get('/api/private', await tokenOf(issuer, credentials('at_jwt'))), { status: 200 })
  t.match(
    await api.refusal(await tokenOf(issuer, credentials('test_api_client'))),
    { status: 401, reason: 'wrong_header_type', hint: /Use 'at\+jwt' as access token header type/ }
  )
  t.match(
    await api.refusal(await tokenOf(issuer, credentials('at_jwt_lightweight'))),
    { status: 401, reason: 'claim_missing', detail: 'client_id' }
  )
}

async function expiry (t: Test, realm: TestRealm, api: Api): Promise<void> {
  await realm.addClient('short', { attributes: { 'access.token.lifespan': '2' } })
  const token = await tokenOf(realm.issuer, credentials('short'))
  t.match(await api.get('/api/private', token), { status: 200 })
  await soon(async () => (await api.get('/api/private', token)).status === 401, 4_000)
  t.ok(Date.now() / 1000 >= Number(decode(token).payload.exp), 'not before it')
  t.match(await api.refusal(token), { reason: 'expired', hint: /Compare the clocks/ })
}
