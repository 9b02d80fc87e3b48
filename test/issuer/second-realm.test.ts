import t from 'tap'
import { parseRealm, startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { formRequest, send, tokens } from './wire.ts'

const NAME = 'Zweites Reich/é'

const mapper = (protocolMapper: string, config: Readonly<Record<string, string>> = {}) =>
  ({ name: protocolMapper, protocolMapper, config: { 'access.token.claim': 'true', ...config } })

const attribute = (name: string, claim: string, more = {}) =>
  mapper('oidc-usermodel-attribute-mapper', { 'user.attribute': name, 'claim.name': claim, ...more })

const hardcoded = (claim: string, value: string, type?: string) =>
  mapper('oidc-hardcoded-claim-mapper', { 'claim.name': claim, 'claim.value': value, ...type && { 'jsonType.label': type } })

const CLIENT = { serviceAccountsEnabled: true, fullScopeAllowed: false, defaultClientScopes: ['who'] }

/** Shares nothing with myorg: name, clients, scopes, mappers, lives; written as people write it, with a null here and there. */
const REALM = parseRealm({
  realm: NAME,
  displayName: null,
  accessTokenLifespan: 77,
  ssoSessionIdleTimeout: 88,
  notBefore: 1_700_000_000,
  roles: {
    realm: [
      { name: 'boss', composites: { realm: ['clerk'], client: { 'ware.house': ['reader'] } } }, { name: 'clerk' },
      { name: 'everyone', composites: { realm: ['guest'] } }
    ],
    client: { 'ware.house': [{ name: 'reader' }, { name: 'writer' }] }
  },
  defaultRole: { name: 'everyone' },
  clientScopes: [
    { name: 'who', protocolMappers: [
      mapper('oidc-full-name-mapper'), mapper('oidc-sub-mapper'), mapper('oidc-usermodel-property-mapper', { 'claim.name': 'lost' }),
      mapper('oidc-usermodel-property-mapper', { 'user.attribute': 'enabled', 'claim.name': 'active', 'jsonType.label': 'boolean' }),
      mapper('oidc-usermodel-property-mapper', { 'user.attribute': 'lastName', 'claim.name': 'family' }),
      mapper('oidc-usermodel-property-mapper', { 'user.attribute': 'firstName', 'claim.name': 'given' }),
      attribute('email', 'mail'), attribute('team', 'team'), attribute('team', 'teams', { multivalued: 'true' }),
      attribute('size', 'size', { 'jsonType.label': 'int' }), attribute('nothing', 'nothing'), attribute('constructor', 'trap'),
      mapper('oidc-usermodel-attribute-mapper'), mapper('oidc-usersessionmodel-note-mapper'), mapper('oidc-script-mapper'),
      { protocolMapper: 'oidc-hardcoded-claim-mapper' }
    ] },
    { name: 'rights', attributes: { 'include.in.token.scope': 'false' }, protocolMappers: [
      mapper('oidc-usermodel-realm-role-mapper', {
        'claim.name': 'rights', multivalued: 'true', 'usermodel.realmRoleMapping.rolePrefix': 'r:'
      }),
      mapper('oidc-usermodel-client-role-mapper', {
        'claim.name': 'by.${client_id}', multivalued: 'true',
        'usermodel.clientRoleMapping.clientId': 'ware.house', 'usermodel.clientRoleMapping.rolePrefix': 'c:'
      }),
      mapper('oidc-usermodel-client-role-mapper'), mapper('oidc-audience-mapper'), mapper('oidc-audience-resolve-mapper')
    ] },
    { name: 'fixed', protocolMappers: [
      hardcoded('a.b\\.c', 'deep'), hardcoded('a.d', '7', 'long'), hardcoded('a.d.e', 'lost'), hardcoded('f', 'TRUE', 'boolean'),
      hardcoded('g', '1.5', 'int'), hardcoded('h', '{', 'JSON'), hardcoded('__proto__.polluted', 'yes'), hardcoded('aud', 'else'),
      hardcoded('sub', 'somebody'), hardcoded('iss', 'http://evil.example'), hardcoded('', 'lost')
    ] },
    { name: 'saml_roles', protocol: 'saml' },
    { name: 'hidden', attributes: { 'include.in.openid.provider.metadata': false } }
  ],
  clients: [
    { ...CLIENT, clientId: 'robot', secret: 'r', optionalClientScopes: ['rights', 'fixed', 'who', 'saml_roles', 'nowhere'] },
    { ...CLIENT, clientId: 'free', secret: 'f', fullScopeAllowed: null, defaultClientScopes: ['rights'] },
    { ...CLIENT, clientId: 'asked', secret: 'a', fullScopeAllowed: null, consentRequired: true, defaultClientScopes: ['rights'] },
    { ...CLIENT, clientId: 'ware.house', secret: 'w', defaultClientScopes: null, optionalClientScopes: ['rights'] },
    { clientId: 'plain', secret: 'p', serviceAccountsEnabled: true },
    {
      clientId: 'desk',
      publicClient: true,
      directAccessGrantsEnabled: true,
      defaultClientScopes: ['who', 'rights'],
      webOrigins: ['+', 'http://b.example'],
      redirectUris: ['http://a.example/x', 'no address'],
      attributes: { 'client.use.lightweight.access.token.enabled': null, 'display.on': true }
    },
    { clientId: 'wide', secret: 'w', serviceAccountsEnabled: true, webOrigins: ['*'] }
  ],
  scopeMappings: [{ client: 'robot', roles: ['clerk'] }, { clientScope: 'fixed', roles: ['boss'] }, { client: 'nobody' }],
  users: [
    { id: '11111111-2222-3333-4444-555555555555', username: 'robot-account', serviceAccountClientId: 'robot', realmRoles: ['boss'] },
    { username: 'warehouse-account', serviceAccountClientId: 'ware.house', clientRoles: { 'ware.house': ['writer'] } },
    { username: 'Ada', firstName: 'Ada', lastName: 'Lovelace', email: 'ada@example.org', enabled: true, realmRoles: ['clerk'],
      attributes: { team: ['red', 'blue'], size: ['9'] }, credentials: [{ type: 'otp' }, { type: 'password', value: 'pass' }] },
    { username: 'gone', enabled: false, credentials: [{ type: 'password', value: 'pass' }] },
    { username: 'new' }
  ]
})

const PATH = `/realms/${encodeURIComponent(NAME)}`

t.test('a second realm', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: REALM })
  t.teardown(() => issuer.close())
  const robot = (scope: string) => ({ grant_type: 'client_credentials', client_id: 'robot', client_secret: 'r', scope })
  const get = (form: Readonly<Record<string, string>>) => tokens(issuer.port, encodeURIComponent(NAME), form)
  const service = (client_id: string, client_secret: string) => get({ grant_type: 'client_credentials', client_id, client_secret })

  await t.test('its name is encoded in every address', async (t) => {
    t.equal(issuer.issuer, `http://localhost:${issuer.port}${PATH}`)
    const { text } = await send(issuer.port, { method: 'GET', path: PATH })
    t.match(JSON.parse(text), {
      realm: NAME, 'token-service': `${issuer.issuer}/protocol/openid-connect`, 'tokens-not-before': 1_700_000_000
    })
  })

  await t.test('lives, dates and types are those of the file', async (t) => {
    const { body, claims } = await get(robot('fixed'))
    t.match(body, { expires_in: 77, refresh_expires_in: 0, 'not-before-policy': 1_700_000_000, scope: 'who fixed' })
    t.equal(Number(claims['exp']) - Number(claims['iat']), 77)
    t.match(claims, {
      iss: issuer.issuer, sub: 'somebody', aud: 'else', a: { 'b.c': 'deep', d: 7 }, f: true, active: true, scope: 'who fixed'
    })
    t.strictSame([claims['g'], claims['h'], claims['lost'], claims['name'], claims['team'], claims['trap']], Array(6).fill(undefined))
    t.strictSame(({} as Record<string, unknown>)['polluted'], undefined)
    t.notOk('' in claims)
  })

  await t.test('a role is in the token when it is held and mapped', async (t) => {
    const held = await get(robot('rights'))
    t.match(held.claims, { rights: ['r:clerk'], sub: '11111111-2222-3333-4444-555555555555', scope: 'who' })
    t.strictSame([held.claims['aud'], held.claims['by']], [undefined, undefined])
    const wider = await get(robot('rights fixed'))
    t.strictSame((wider.claims['rights'] as string[]).sort(), ['r:boss', 'r:clerk'])
    t.strictSame([wider.claims['aud'], wider.claims['by']], [['else', 'ware.house'], { 'ware.house': ['c:reader'] }])
  })

  await t.test('a client always has its own roles, and never itself as an audience by them', async (t) => {
    const { claims } = await get({ grant_type: 'client_credentials', client_id: 'ware.house', client_secret: 'w', scope: 'rights' })
    t.match(claims, { by: { 'ware.house': ['c:writer'] } })
    t.strictSame([claims['aud'], claims['scope']], [undefined, ''])
  })

  await t.test('an account that Keycloak makes holds the default roles of the file', async (t) => {
    t.strictSame(((await service('free', 'f')).claims['rights'] as string[]).sort(), ['r:everyone', 'r:guest'])
    t.equal((await service('asked', 'a')).claims['rights'], undefined, 'full scope is off where consent is required')
  })

  await t.test('a client that names no scope in a realm with its own scopes has none but offline_access', async (t) => {
    const { claims } = await get({ grant_type: 'client_credentials', client_id: 'plain', client_secret: 'p', scope: 'offline_access' })
    t.match(claims, { scope: 'offline_access', azp: 'plain' })
  })

  await t.test('scopes that are SAML or nowhere in the file are not there, hidden ones not in the metadata', async (t) => {
    for (const scope of ['saml_roles', 'nowhere', 'hidden']) {
      await t.rejects(get(robot(scope)), { message: /400.*invalid_scope/ })
    }
    const { text } = await send(issuer.port, { method: 'GET', path: `${PATH}/.well-known/openid-configuration` })
    t.same((JSON.parse(text) as { scopes_supported: string[] }).scopes_supported, ['openid', 'offline_access', 'who', 'rights', 'fixed'])
  })

  const ada = { grant_type: 'password', client_id: 'desk', username: 'ADA', password: 'pass' }

  await t.test('a user logs in with the password of the file', async (t) => {
    const { body, claims } = await get(ada)
    t.match(body, { refresh_expires_in: 88, session_state: claims['sid'], scope: 'who' })
    t.match(claims, {
      name: 'Ada Lovelace', given: 'Ada', family: 'Lovelace', mail: 'ada@example.org', team: 'red', teams: ['red', 'blue'], size: 9,
      rights: ['r:clerk']
    })
    t.equal((await get(ada)).claims['sub'], claims['sub'], 'the subject stays')
    t.not((await get(ada)).claims['sid'], claims['sid'], 'the session does not')
  })

  await t.test('nobody else does', async (t) => {
    const refused = { message: '400 {"error":"invalid_grant","error_description":"Invalid user credentials"}' }
    for (const username of ['gone', 'new', 'robot-account', 'nobody', '']) await t.rejects(get({ ...ada, username }), refused, username)
    await t.rejects(get({ ...ada, username: 'new', password: '' }), refused, 'a user without a password')
    await t.rejects(get({ grant_type: 'password', client_id: 'desk' }), refused, 'no name, no password')
  })

  await t.test('origins: those of the client, + for those of its redirect addresses, * for all', async (t) => {
    const ask = (origin: string, form: Readonly<Record<string, string>>) => {
      const request = formRequest(`${PATH}/protocol/openid-connect/token`, form)
      return send(issuer.port, { ...request, headers: { ...request.headers, origin } })
    }
    for (const origin of ['http://a.example', 'http://b.example']) {
      t.match(await ask(origin, ada), { status: 200, headers: { 'access-control-allow-origin': origin } })
    }
    t.match(await ask('http://c.example', ada), { status: 403, text: '{"error":"Invalid origin"}' })
    const wide = { grant_type: 'client_credentials', client_id: 'wide', client_secret: 'w' }
    t.match(await ask('http://c.example', wide), { status: 200, headers: { 'access-control-allow-origin': 'http://c.example' } })
  })
})

t.test('an empty realm has the built-in clients, which get nothing', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: { realm: 'empty' } })
  t.teardown(() => issuer.close())
  const form = { grant_type: 'client_credentials', client_secret: 'x' }
  await t.rejects(tokens(issuer.port, 'empty', { ...form, client_id: 'realm-management' }), { message: /401.*unauthorized_client/ })
  await t.rejects(tokens(issuer.port, 'empty', { ...form, client_id: 'account' }), { message: /401.*Public client not allowed/ })
  await t.rejects(tokens(issuer.port, 'empty', { ...form, client_id: 'nobody' }), { message: /401.*invalid_client/ })
})

t.test('a realm that is off issues nothing', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: { ...REALM, enabled: false } })
  t.teardown(() => issuer.close())
  await t.rejects(tokens(issuer.port, encodeURIComponent(NAME), {}), { message: /403.*Realm not enabled/ })
})
