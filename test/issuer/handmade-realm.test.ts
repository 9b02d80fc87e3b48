import t from 'tap'
import { BUILT_IN_DEFAULTS, BUILT_IN_OPTIONALS, BUILT_IN_SCOPES } from '../../src/issuer/realm/built-in.ts'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import type { Realm } from '../../src/issuer/development-issuer.ts'
import { compare, recorded, replay } from './recording.ts'
import { send } from './wire.ts'

/** The client as the admin console made it, secret and all. */
const CLIENT = {
  clientId: 'test_api_client',
  secret: '(as shown by the admin console, 86 letters and digits)',
  serviceAccountsEnabled: true,
  standardFlowEnabled: false,
  redirectUris: ['/*'],
  webOrigins: ['/*']
}

/** Nothing but a client: Keycloak makes the rest. */
const BARE: Realm = { realm: 'handmade', enabled: true, clients: [CLIENT] }

const audience = {
  protocolMapper: 'oidc-audience-mapper', config: { 'included.client.audience': 'test_api', 'access.token.claim': 'true' }
}

/** The same realm as an export writes it, with the scope of the tutorial in one of its states. */
function exported (scope: { shown: boolean, use: 'default' | 'optional' | 'none', mapped?: boolean, fullScope?: boolean }): Realm {
  const testApiAccess = {
    name: 'test_api_access',
    attributes: { 'include.in.token.scope': String(scope.shown) },
    protocolMappers: scope.mapped ? [audience] : []
  }
  const listed = (use: string): readonly string[] => scope.use === use ? ['test_api_access'] : []
  return {
    ...BARE,
    clientScopes: [...BUILT_IN_SCOPES, testApiAccess],
    clients: [{
      ...CLIENT,
      fullScopeAllowed: scope.fullScope ?? true,
      defaultClientScopes: [...BUILT_IN_DEFAULTS, 'service_account', ...listed('default')],
      optionalClientScopes: [...BUILT_IN_OPTIONALS, 'offline_access', ...listed('optional')]
    }]
  }
}

const MAPPED = { shown: true, use: 'optional', mapped: true } as const

/** The state of the realm in which each case was recorded. */
const STATES: readonly (readonly [Realm, readonly string[]])[] = [
  [BARE, [
    'no scope asked', 'all built-in optional scopes asked', 'scope offline_access', 'scope microprofile-jwt', 'scope organization',
    'scope openid', 'scope not assigned, asked'
  ]],
  [exported({ shown: false, use: 'optional' }), [
    'scope asked: accepted, but not in the token, since Include in token scope is off'
  ]],
  [exported({ shown: true, use: 'optional' }), [
    'Include in token scope switched on, asked', 'Include in token scope switched on, not asked',
    'scopes named in the tutorial for two at once'
  ]],
  [exported({ shown: true, use: 'default' }), ['scope assigned as default, not asked', 'scope assigned as default, asked']],
  [exported(MAPPED), [
    'audience mapper put on test_api_access, asked: aud test_api and account',
    'audience mapper put on test_api_access, not asked: aud account only'
  ]],
  [exported({ ...MAPPED, fullScope: false }), [
    'Full scope allowed switched off: aud test_api only', 'Full scope allowed switched off, not asked: no aud at all'
  ]]
]

const LEFT_OUT = new Map([
  ['what the admin console sends, in order', 'the Admin API is not imitated'],
  ['keys', 'recorded in part; see jwks.json'],
  ['scopes in the discovery document', 'recorded in part: compared below']
])

const cases = recorded('handmade-realm')

for (const [index, [realm, names]] of STATES.entries()) {
  t.test(`a realm created by hand, state ${index}`, async (t) => {
    const issuer = await startDevelopmentIssuer({ realm })
    t.teardown(() => issuer.close())
    const { text } = await send(issuer.port, { method: 'GET', path: new URL(issuer.jwksUrl).pathname })
    const { keys } = JSON.parse(text) as { keys: [] }
    for (const one of cases.filter(({ case: name }) => names.includes(name))) {
      await t.test(one.case, (t) => replay(t, one, { port: issuer.port, keys }))
    }
  })
}

t.test('every recorded case is replayed or left out with a reason', (t) => {
  const named = [...STATES.flatMap(([, names]) => names), ...LEFT_OUT.keys()]
  t.same(named.sort(), cases.map((one) => one.case).sort())
  t.end()
})

t.test('the metadata names the built-in scopes', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: exported({ shown: true, use: 'none' }) })
  t.teardown(() => issuer.close())
  const { text } = await send(issuer.port, { method: 'GET', path: '/realms/handmade/.well-known/openid-configuration' })
  const wanted = cases.find((one) => one.case === 'scopes in the discovery document')?.response.body as { scopes_supported: unknown }
  compare(t, (JSON.parse(text) as typeof wanted).scopes_supported, wanted.scopes_supported, 'scopes_supported')
})
