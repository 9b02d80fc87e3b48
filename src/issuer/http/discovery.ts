import type { Directory } from '../realm/directory.ts'

const ASYMMETRIC = ['PS384', 'RS384', 'EdDSA', 'ES384', 'ES256', 'RS256', 'ES512', 'PS256', 'PS512', 'RS512']
const SIGNING = [
  'PS384', 'RS384', 'EdDSA', 'ES384', 'HS256', 'HS512', 'ES256', 'RS256', 'HS384', 'ES512', 'PS256', 'PS512', 'RS512'
]
const KEY_ENCRYPTION = ['ECDH-ES+A256KW', 'ECDH-ES+A192KW', 'ECDH-ES+A128KW', 'RSA-OAEP', 'RSA-OAEP-256', 'RSA1_5', 'ECDH-ES']
const CONTENT_ENCRYPTION = ['A256GCM', 'A192GCM', 'A128GCM', 'A128CBC-HS256', 'A192CBC-HS384', 'A256CBC-HS512']
const CLIENT_AUTHENTICATION = ['private_key_jwt', 'client_secret_basic', 'client_secret_post', 'tls_client_auth', 'client_secret_jwt']
const PREFIX = 'urn:ietf:params:oauth:grant-type:'
const GRANT_TYPES = [
  'authorization_code', 'client_credentials', 'implicit', 'password', 'refresh_token',
  `${PREFIX}device_code`, `${PREFIX}jwt-bearer`, `${PREFIX}token-exchange`, `${PREFIX}uma-ticket`, 'urn:openid:params:grant-type:ciba'
]
const RESPONSE_TYPES = ['code', 'none', 'id_token', 'token', 'id_token token', 'code id_token', 'code token', 'code id_token token']
const RESPONSE_MODES = ['query', 'fragment', 'form_post', 'query.jwt', 'fragment.jwt', 'form_post.jwt', 'jwt']
const CLAIMS = [
  'iss', 'sub', 'aud', 'exp', 'iat', 'auth_time', 'name', 'given_name', 'family_name', 'preferred_username', 'email',
  'acr', 'azp', 'nonce'
]

/** What may be signed or encrypted, and how, under the member names of one kind of thing. */
const signed = (name: string, more: readonly string[] = []): Readonly<Record<string, unknown>> =>
  ({ [`${name}_signing_alg_values_supported`]: [...SIGNING, ...more] })

const encrypted = (name: string): Readonly<Record<string, unknown>> => ({
  [`${name}_encryption_alg_values_supported`]: KEY_ENCRYPTION,
  [`${name}_encryption_enc_values_supported`]: CONTENT_ENCRYPTION
})

const authenticated = (endpoint: string): Readonly<Record<string, unknown>> => ({
  [`${endpoint}_auth_methods_supported`]: CLIENT_AUTHENTICATION,
  [`${endpoint}_auth_signing_alg_values_supported`]: SIGNING
})

/** Endpoints that older clients look for once more among the aliases for mutual TLS (RFC 8705 section 5). */
const aliased = (issuer: string, protocol: string): Readonly<Record<string, string>> => ({
  token_endpoint: `${protocol}/token`,
  revocation_endpoint: `${protocol}/revoke`,
  introspection_endpoint: `${protocol}/token/introspect`,
  device_authorization_endpoint: `${protocol}/auth/device`,
  registration_endpoint: `${issuer}/clients-registrations/openid-connect`,
  userinfo_endpoint: `${protocol}/userinfo`,
  pushed_authorization_request_endpoint: `${protocol}/ext/par/request`,
  backchannel_authentication_endpoint: `${protocol}/ext/ciba/auth`
})

const scopesOf = ({ scopes }: Directory): readonly string[] => ['openid', ...[...scopes.values()]
  .filter(({ attributes }) => attributes?.['include.in.openid.provider.metadata'] !== 'false')
  .map(({ name }) => name)]

function first (issuer: string, protocol: string): Readonly<Record<string, unknown>> {
  return {
    issuer,
    authorization_endpoint: `${protocol}/auth`,
    token_endpoint: `${protocol}/token`,
    introspection_endpoint: `${protocol}/token/introspect`,
    userinfo_endpoint: `${protocol}/userinfo`,
    end_session_endpoint: `${protocol}/logout`,
    frontchannel_logout_session_supported: true,
    frontchannel_logout_supported: true,
    jwks_uri: `${protocol}/certs`,
    check_session_iframe: `${protocol}/login-status-iframe.html`,
    grant_types_supported: GRANT_TYPES,
    acr_values_supported: ['0', '1'],
    response_types_supported: RESPONSE_TYPES,
    subject_types_supported: ['public', 'pairwise'],
    prompt_values_supported: ['none', 'login', 'consent']
  }
}

function last (issuer: string, protocol: string): Readonly<Record<string, unknown>> {
  return {
    request_parameter_supported: true,
    request_uri_parameter_supported: true,
    require_request_uri_registration: true,
    code_challenge_methods_supported: ['plain', 'S256'],
    tls_client_certificate_bound_access_tokens: true,
    dpop_signing_alg_values_supported: ASYMMETRIC,
    revocation_endpoint: `${protocol}/revoke`,
    ...authenticated('revocation_endpoint'),
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
    device_authorization_endpoint: `${protocol}/auth/device`,
    backchannel_token_delivery_modes_supported: ['poll', 'ping'],
    backchannel_authentication_endpoint: `${protocol}/ext/ciba/auth`,
    backchannel_authentication_request_signing_alg_values_supported: ASYMMETRIC,
    require_pushed_authorization_requests: false,
    pushed_authorization_request_endpoint: `${protocol}/ext/par/request`,
    mtls_endpoint_aliases: aliased(issuer, protocol),
    authorization_response_iss_parameter_supported: true
  }
}

/**
 * The metadata of the issuer (RFC 8414, OpenID Connect Discovery), members in Keycloak's order. It promises what Keycloak
 * can do, also where the development issuer cannot.
 */
export function metadata (issuer: string, directory: Directory): Readonly<Record<string, unknown>> {
  const protocol = `${issuer}/protocol/openid-connect`
  return {
    ...first(issuer, protocol),
    ...signed('id_token'), ...encrypted('id_token'),
    ...signed('userinfo', ['none']), ...encrypted('userinfo'),
    ...signed('request_object', ['none']), ...encrypted('request_object'),
    response_modes_supported: RESPONSE_MODES,
    registration_endpoint: `${issuer}/clients-registrations/openid-connect`,
    ...authenticated('token_endpoint'),
    ...authenticated('introspection_endpoint'),
    ...signed('authorization'), ...encrypted('authorization'),
    claims_supported: CLAIMS,
    claim_types_supported: ['normal'],
    claims_parameter_supported: true,
    scopes_supported: scopesOf(directory),
    ...last(issuer, protocol)
  }
}
