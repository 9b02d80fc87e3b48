import { readFileSync } from 'node:fs'
import type { Test } from 'tap'
import { clientOf, testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { soon, startApi, type Api, type Json } from '../support/keycloak-api.ts'
import { grant, tokenOf } from '../support/keycloak-tokens.ts'

interface Console { readonly request: ReadonlyArray<{ readonly method: string, readonly path: string, readonly body: Json }> }

interface Handmade extends TestRealm {
  readonly url: string
  /** A token for the one client, with its scope asked for or not. */
  token: (scope?: string, at?: string) => Promise<string>
  form: (scope?: string) => Record<string, string>
  scopeId: string
  clientId: string
}

const AUDIENCE_HINT =
  /Add mapper, By configuration, Audience, and choose test_api as Included Client Audience with "Add to access token" on; a client of that name must exist/

/** A realm made by hand as the tutorial says; each thing that a newcomer gets wrong, and the sentence in the log for it. */
export async function handmade (t: Test, url: string): Promise<void> {
  const realm = await clickedTogether(t, url)
  const named = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api' })
  const any = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: '*' })
  await t.test('no audience mapper: aud is "account" for every client alike', (t) => noMapper(t, realm, named, any))
  await t.test('"Include in token scope" is off: granted, but not in the token', (t) => notIncluded(t, realm, any))
  await t.test('the scope is not requested', (t) => notAskedFor(t, realm, any))
  await t.test('an audience mapper at the optional scope: only with it is there an audience', (t) => mapperAtTheScope(t, realm, named))
  await t.test('an audience mapper at the client: all is well', (t) => mapperAtTheClient(t, realm, named))
  await t.test('the scope is not assigned to the client', (t) => notAssigned(t, realm))
  await t.test('the token was fetched under another host name', (t) => otherHost(t, realm, named))
  await t.test('ISSUER names a realm that is not there', (t) => noRealm(t, realm))
}

/** What the admin console sends, as it was recorded. */
async function clickedTogether (t: Test, url: string): Promise<Handmade> {
  const file = new URL('../recordings/handmade-realm.json', import.meta.url)
  const [recorded] = JSON.parse(readFileSync(file, 'utf8')) as [Console]
  const [realmRequest, ...requests] = recorded.request
  const realm = await testRealm(t, url, `handmade-${process.pid}`, realmRequest?.body)
  const ids: string[] = []
  for (const { method, path, body } of requests) {
    const below = path.replace('/admin/realms/handmade', '').replace(/\/$/, '').replace('{id}', ids[1] ?? '').replace('{id}', ids[0] ?? '')
    await realm.admin(method, below, body)
    if (below === '/client-scopes') {
      ids.push((await realm.admin(
        'GET',
        '/client-scopes'
      ) as Array<{ id: string, name: string }>).find(({ name }) => name === 'test_api_access')?.id ?? '')
    }
    if (below === '/clients') ids.push((await clientOf(realm, 'test_api_client')).id)
  }
  const [scopeId = '', clientId = ''] = ids
  const { value: secret } = await realm.admin('GET', `/clients/${clientId}/client-secret`) as { value: string }
  const form = (scope?: string): Record<string, string> =>
    ({ grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: secret, ...scope !== undefined && { scope } })
  return { ...realm, url, scopeId, clientId, form, token: (scope, at = realm.issuer) => tokenOf(at, form(scope)) }
}

async function noMapper (t: Test, realm: Handmade, named: Api, any: Api): Promise<void> {
  const token = await realm.token('test_api_access')
  t.match(await named.refusal(token), { status: 401, reason: 'audience_mismatch', detail: 'aud "account"', hint: AUDIENCE_HINT })
  t.match(await named.refusal(token), { hint: /AUDIENCE=\* accepts any\.$/ }, 'the way out is named')
  t.match(await any.get('/api/private', token), { status: 200 }, 'AUDIENCE=* accepts it')
  t.match(
    await any.get('/health/ready'),
    { status: 200, body: { status: 'ok', conditions: { any_audience: /issued for other APIs/ } } },
    'and says so'
  )
}

async function notIncluded (t: Test, realm: Handmade, any: Api): Promise<void> {
  const { status, body } = await grant(realm.issuer, realm.form('test_api_access'))
  t.match({ status, scope: body.scope }, { status: 200, scope: /^(?:profile email|email profile)$/ }, 'the issuer grants it without a word')
  t.match(
    await any.refusal(String(body.access_token), '/api/private-scoped'),
    { status: 403, reason: 'scope_missing', hint: /test_api_access.*"Include in token scope"/ }
  )
  const scope = await realm.admin('GET', `/client-scopes/${realm.scopeId}`) as Json & { attributes: Json }
  t.equal(scope.attributes['include.in.token.scope'], 'false', 'as the console leaves it')
  await realm.admin('PUT', `/client-scopes/${realm.scopeId}`, {
    ...scope, attributes: { ...scope.attributes, 'include.in.token.scope': 'true' }
  })
  t.match(await any.get('/api/private-scoped', await realm.token('test_api_access')), { status: 200 }, 'switched on')
}

async function notAskedFor (t: Test, realm: Handmade, any: Api): Promise<void> {
  t.match(await any.refusal(await realm.token(), '/api/private-scoped'), { status: 403, reason: 'scope_missing', hint: /must request it/ })
}

const mapper = {
  name: 'test_api',
  protocol: 'openid-connect',
  protocolMapper: 'oidc-audience-mapper',
  config: { 'included.client.audience': 'test_api', 'access.token.claim': 'true' }
}

async function mapperAtTheScope (t: Test, realm: Handmade, named: Api): Promise<void> {
  await realm.admin('POST', '/clients', { clientId: 'test_api', protocol: 'openid-connect' })
  await realm.admin('POST', `/client-scopes/${realm.scopeId}/protocol-mappers/models`, mapper)
  t.match(await named.get('/api/private-scoped', await realm.token('test_api_access')), { status: 200 })
  t.match(await named.refusal(await realm.token()), { status: 401, reason: 'audience_mismatch', hint: AUDIENCE_HINT })
  const client = await clientOf(realm, 'test_api_client')
  await realm.admin('PUT', `/clients/${realm.clientId}`, { ...client, fullScopeAllowed: false })
  t.match(
    await named.refusal(await realm.token()),
    { status: 401, reason: 'audience_mismatch', detail: 'aud absent', hint: AUDIENCE_HINT },
    'no aud at all'
  )
}

async function mapperAtTheClient (t: Test, realm: Handmade, named: Api): Promise<void> {
  await realm.admin('POST', `/clients/${realm.clientId}/protocol-mappers/models`, mapper)
  t.match(await named.get('/api/private', await realm.token()), { status: 200 })
  t.match(await named.get('/api/private-scoped', await realm.token('test_api_access')), { status: 200 })
  t.match(
    await named.post('/api/messages', { text: 'Hello' }, await realm.token('test_api_access')),
    { status: 201, body: { from: 'test_api_client' } }
  )
}

async function notAssigned (t: Test, realm: Handmade): Promise<void> {
  await realm.admin('DELETE', `/clients/${realm.clientId}/optional-client-scopes/${realm.scopeId}`)
  t.match(
    await grant(realm.issuer, realm.form('test_api_access')),
    { status: 400, body: { error: 'invalid_scope', error_description: 'Invalid scopes: test_api_access' } }
  )
}

async function otherHost (t: Test, realm: Handmade, named: Api): Promise<void> {
  const token = await realm.token(undefined, realm.issuer.replace('localhost', '127.0.0.1'))
  t.match(await named.refusal(token), {
    status: 401, reason: 'issuer_mismatch', detail: /127\.0\.0\.1/, hint: /the same realm name under another host name.*KC_HOSTNAME/
  })
  const split = await startApi(t, {
    ISSUER: realm.issuer.replace('localhost', '127.0.0.1'), JWKS_URL: `${realm.issuer}/protocol/openid-connect/certs`, AUDIENCE: 'test_api'
  })
  t.match(await split.get('/api/private', token), { status: 200 }, 'ISSUER as the token has it, JWKS_URL as it is reached')
}

async function noRealm (t: Test, { url }: Handmade): Promise<void> {
  const api = await startApi(t, { ISSUER: `${url}/realms/no-such-realm`, AUDIENCE: 'test_api' }, { impatient: true })
  await soon(() => api.lines.some(({ msg }) => /keys cannot be fetched from .*no-such-realm.*404/.test(String(msg))))
  t.match(await api.get('/health/ready'), { status: 503, body: { status: 'unavailable', conditions: { keys_missing: /not known/ } } })
  t.match(await api.get('/api/public'), { status: 200 }, 'what is open stays open')
}
