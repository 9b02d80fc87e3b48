import t from 'tap'
import type { JsonWebKey } from 'node:crypto'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import type { DevelopmentIssuer, Realm } from '../../src/issuer/development-issuer.ts'
import { compare, recorded, replay } from './recording.ts'
import type { RecordedCase, Stage } from './recording.ts'
import { myorg, send } from './wire.ts'

type Client = NonNullable<Realm['clients']>[number]
type LeftOut = ReadonlyMap<string, string>

/** The clients that the recorder made for two cases of token-endpoint.json. */
const FURTHER: readonly Client[] = [
  { clientId: 'test_disabled_client', secret: 'test-disabled-client-demo-secret', enabled: false, serviceAccountsEnabled: true },
  { clientId: 'odd client:%+é', secret: 's p:c%+é&=\'"~', serviceAccountsEnabled: true }
]

const hardcoded = (name: string, value: string, type = 'String') => ({
  protocolMapper: 'oidc-hardcoded-claim-mapper',
  config: { 'claim.name': name, 'claim.value': value, 'jsonType.label': type, 'access.token.claim': 'true' }
})

const audience = (setting: 'client' | 'custom', name: string) => ({
  protocolMapper: 'oidc-audience-mapper',
  config: { [`included.${setting}.audience`]: name, 'access.token.claim': 'true' }
})

const LIGHTWEIGHT = { 'client.use.lightweight.access.token.enabled': 'true' }
const RFC9068 = { 'access.token.header.type.rfc9068': 'true' }

/** What the recorder changed at the client before a case of access-tokens.json, by the note or the name of the case. */
const CHANGES = new Map<string, Partial<Client>>([
  ['lightweight token', { attributes: LIGHTWEIGHT }],
  ['lightweight token, no mapper with lightweight.claim', { attributes: LIGHTWEIGHT }],
  ['at+jwt', { attributes: RFC9068 }],
  ['at+jwt and lightweight', { attributes: { ...LIGHTWEIGHT, ...RFC9068 } }],
  ['service with a refresh token', { attributes: { 'client_credentials.use_refresh_token': 'true' } }],
  ['client attribute access.token.lifespan 60', { attributes: { 'access.token.lifespan': '60' } }],
  ['client attribute token.response.type.bearer.lower-case', { attributes: { 'token.response.type.bearer.lower-case': 'true' } }],
  ['two audiences: a second audience mapper with a free string', { protocolMappers: [audience('custom', 'https://api.example.com')] }],
  ['own client id as an audience', { protocolMappers: [audience('client', 'test_other_client')] }],
  ['hardcoded claim of JSON type', { protocolMappers: [hardcoded('tenant', '{"id":7,"names":["é","\u2028"]}', 'JSON')] }],
  ['hardcoded mapper named scope', { protocolMappers: [hardcoded('scope', 'admin')] }],
  ['hardcoded mappers named exp, azp, typ', {
    protocolMappers: [hardcoded('exp', '4102444800', 'long'), hardcoded('azp', 'test_api_client'), hardcoded('typ', 'ID')]
  }],
  ['hardcoded mapper named client_id: azp is the client, client_id says another', {
    protocolMappers: [hardcoded('client_id', 'test_api_client')]
  }],
  ['no built-in scope at the client: what is left', { defaultClientScopes: ['test_api_audience'], optionalClientScopes: [] }],
  ['fullScopeAllowed true (admin console default): default roles, aud account', { fullScopeAllowed: true }],
  ['user without role offline_access asks for it', { optionalClientScopes: ['offline_access'] }],
  ['user, fullScopeAllowed', { fullScopeAllowed: true }]
])

const REFRESH = 'refreshing is not imitated'
const USERINFO = 'userinfo is not imitated'
const LOGOUT = 'logout is not imitated'
const REGISTRATION = 'Admin API and client registration are not imitated'

const LEFT_OUT: Readonly<Record<string, LeftOut>> = {
  'token-endpoint': new Map([
    ['malformed percent escape in the form', 'Keycloak responds with 500; here 400 invalid_request (refusals.test.ts)'],
    ['many parameters (1,100)', 'Keycloak responds with 500; here 400 invalid_request (refusals.test.ts)'],
    ['multipart body', 'multipart forms are not imitated: they count as no form']
  ]),
  'access-tokens': new Map([
    ['service refreshes', REFRESH],
    ['user, refreshed', REFRESH],
    ['refreshed with a narrower scope', REFRESH],
    ['refresh token of one client at another', REFRESH],
    ['access token where a refresh token belongs', REFRESH],
    ['refresh after logout', REFRESH],
    ['user, offline_access: a refresh token of typ Offline', 'offline tokens are not imitated'],
    ['userinfo, user with openid', USERINFO],
    ['userinfo, user without openid', USERINFO],
    ['userinfo, service without openid', USERINFO],
    ['userinfo, service with openid', USERINFO],
    ['userinfo, no token', USERINFO],
    ['userinfo, garbage', USERINFO],
    ['userinfo, Basic', USERINFO],
    ['userinfo, ID token', USERINFO],
    ['userinfo as a signed JWT: same key, same iss, no typ', USERINFO],
    ['userinfo after logout', USERINFO],
    ['logout with the refresh token', LOGOUT],
    ['back-channel logout token that Keycloak sends', LOGOUT],
    ['initial access token for client registration (Admin API)', REGISTRATION],
    ['client registration: registration access token', REGISTRATION],
    ['token exchange by test_api of a user\'s token', 'token exchange is not imitated'],
    ['token of another realm of the same server (master)', 'one issuer has one realm']
  ]),
  discovery: new Map([['WebFinger / UMA configuration', 'UMA is not imitated']]),
  jwks: new Map(),
  'not-found': new Map()
}

const casesOf = (topic: string): readonly RecordedCase[] => recorded(topic).filter((one) => !LEFT_OUT[topic]?.has(one.case))

/** Gives each changed case a client of its own, so that one issuer serves them all. */
function separated (realm: Realm, cases: readonly RecordedCase[]): { realm: Realm, cases: readonly RecordedCase[] } {
  const clients: Client[] = []
  const renamed = cases.map((one, index) => {
    const changes = CHANGES.get(one.case)
    const original = realm.clients?.find(({ clientId }) => clientId === one.request.form?.['client_id'])
    if (changes === undefined || original === undefined) return one
    const rename = <T>(value: T): T => JSON.parse(JSON.stringify(value).replaceAll(original.clientId, `client_${index}`)) as T
    clients.push(rename({ ...original, ...changes }))
    return rename(one)
  })
  return { realm: { ...realm, clients: [...realm.clients ?? [], ...clients] }, cases: renamed }
}

async function stageOf (issuer: DevelopmentIssuer): Promise<Stage> {
  const { text } = await send(issuer.port, { method: 'GET', path: new URL(issuer.jwksUrl).pathname })
  return { port: issuer.port, keys: (JSON.parse(text) as { keys: JsonWebKey[] }).keys }
}

for (const topic of Object.keys(LEFT_OUT)) {
  t.test(`responds as Keycloak did: ${topic}.json`, async (t) => {
    const base = myorg()
    const { realm, cases } = separated({ ...base, clients: [...base.clients ?? [], ...FURTHER] }, casesOf(topic))
    const issuer = await startDevelopmentIssuer({ realm })
    t.teardown(() => issuer.close())
    const stage = await stageOf(issuer)
    for (const one of cases) await t.test(one.case, (t) => replay(t, one, stage))
  })
}

t.test('what is left out is there, and each has a reason', (t) => {
  for (const [topic, leftOut] of Object.entries(LEFT_OUT)) {
    const names = recorded(topic).map((one) => one.case)
    for (const [name, reason] of leftOut) t.ok(names.includes(name) && reason !== '', `${topic}: ${name}`)
  }
  const names = recorded('access-tokens').map((one) => one.case)
  for (const name of CHANGES.keys()) t.ok(names.includes(name), name)
  t.end()
})

t.test('the comparison sees a difference', (t) => {
  const differs = (found: unknown, wanted: unknown): boolean => {
    let failures = 0
    const count = (same: boolean): boolean => { failures += same ? 0 : 1; return same }
    const counting = {
      equal: (left: unknown, right: unknown) => count(left === right),
      same: (left: unknown, right: unknown) => count(JSON.stringify(left) === JSON.stringify(right)),
      match: (text: string, pattern: RegExp) => count(pattern.test(text)),
      fail: () => count(false)
    } as never
    compare(counting, found, wanted, 'body')
    return failures > 0
  }
  const token = { exp: 1795523490, iat: 1795523190, iss: 'a', typ: 'Bearer', scope: 'a b', x: 1, y: 2 }
  t.notOk(differs({ ...token, scope: 'b a' }, token), 'order of scopes')
  t.notOk(differs({ exp: 1795523490, iat: 1795523190, iss: 'a', typ: 'Bearer', scope: 'a b', y: 2, x: 1 }, token), 'order of later claims')
  t.ok(differs({ iat: 1795523190, exp: 1795523490, iss: 'a', typ: 'Bearer', scope: 'a b', x: 1, y: 2 }, token), 'order of claims')
  t.ok(differs({ ...token, exp: 1795523491 }, token), 'length of life')
  t.ok(differs({ ...token, x: '1' }, token), 'a value')
  t.ok(differs({ ...token, z: 1 }, token), 'one more')
  t.ok(differs('text', token), 'no object')
  t.end()
})
