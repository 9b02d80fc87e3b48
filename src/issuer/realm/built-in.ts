import type { RealmClient, RealmClientScope, RealmMapper } from './realm.ts'

/** Settings of the admin console for a claim that is in both tokens. */
const BOTH = { 'access.token.claim': 'true', 'id.token.claim': 'true' }

const claim = (protocolMapper: string, settings: Readonly<Record<string, string>>): RealmMapper =>
  ({ protocolMapper, config: { ...BOTH, ...settings } })

const attribute = (name: string, claimName: string, type = 'String'): RealmMapper => claim('oidc-usermodel-attribute-mapper', {
  'user.attribute': name, 'claim.name': claimName, 'jsonType.label': type
})

const property = (name: string, claimName: string, type = 'String'): RealmMapper => claim('oidc-usermodel-property-mapper', {
  'user.attribute': name, 'claim.name': claimName, 'jsonType.label': type
})

const note = (name: string): RealmMapper =>
  claim('oidc-usersessionmodel-note-mapper', { 'user.session.note': name, 'claim.name': name, 'jsonType.label': 'String' })

const access = (protocolMapper: string, settings: Readonly<Record<string, string>> = {}): RealmMapper =>
  ({ protocolMapper, config: { 'access.token.claim': 'true', multivalued: 'true', ...settings } })

const scope = (name: string, inToken: boolean, protocolMappers: readonly RealmMapper[] = []): RealmClientScope =>
  ({ name, attributes: { 'include.in.token.scope': String(inToken) }, protocolMappers })

/** Made in every realm, also where the file brings its own scopes. */
export const OFFLINE_ACCESS = scope('offline_access', true)

/**
 * The client scopes that Keycloak makes in a realm whose file has no `clientScopes`. `organization` is granted and never
 * shows in the token, as for everyone who is in no organization; `address` has no mapper here.
 */
export const BUILT_IN_SCOPES: readonly RealmClientScope[] = [
  scope('basic', false, [access('oidc-sub-mapper')]),
  scope('acr', false, [claim('oidc-acr-mapper', {})]),
  scope('profile', true, [
    claim('oidc-full-name-mapper', {}),
    attribute('username', 'preferred_username'), attribute('firstName', 'given_name'), attribute('lastName', 'family_name'),
    ...['nickname', 'profile', 'picture', 'website', 'gender', 'birthdate', 'zoneinfo', 'locale'].map((name) => attribute(name, name)),
    attribute('middleName', 'middle_name'), attribute('updatedAt', 'updated_at', 'long')
  ]),
  scope('email', true, [attribute('email', 'email'), property('emailVerified', 'email_verified', 'boolean')]),
  scope('roles', false, [
    access('oidc-usermodel-realm-role-mapper', { 'claim.name': 'realm_access.roles' }),
    access('oidc-usermodel-client-role-mapper', { 'claim.name': 'resource_access.${client_id}.roles' }),
    access('oidc-audience-resolve-mapper')
  ]),
  scope('web-origins', false, [access('oidc-allowed-origins-mapper')]),
  scope('service_account', false, ['client_id', 'clientHost', 'clientAddress'].map(note)),
  scope('address', true),
  scope('phone', true, [
    attribute('phoneNumber', 'phone_number'), attribute('phoneNumberVerified', 'phone_number_verified', 'boolean')
  ]),
  scope('microprofile-jwt', true, [
    attribute('username', 'upn'),
    claim('oidc-usermodel-realm-role-mapper', { 'claim.name': 'groups', multivalued: 'true' })
  ]),
  scope('organization', false)
]

export const BUILT_IN_DEFAULTS: readonly string[] = ['profile', 'email', 'roles', 'web-origins', 'acr', 'basic']
export const BUILT_IN_OPTIONALS: readonly string[] = ['address', 'phone', 'microprofile-jwt', 'organization']

/** The clients that Keycloak makes in every realm; none of them gets a token here. */
export const BUILT_IN_CLIENTS: readonly RealmClient[] = [
  ...['account', 'account-console', 'admin-cli', 'security-admin-console'].map((clientId) => ({ clientId, publicClient: true })),
  ...['broker', 'realm-management'].map((clientId) => ({ clientId, bearerOnly: true }))
]
