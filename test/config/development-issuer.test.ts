import t from 'tap'
import { ConfigError, loadConfig, type Environment } from '../../src/config.ts'

/** What the start says, or 'development issuer'. */
function startOf (environment: Environment, fileNames: readonly string[] = []): string {
  try {
    const { developmentIssuer } = loadConfig(environment, { fileNames })
    return developmentIssuer ? 'development issuer' : 'issuer'
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.join('\n')
    throw error
  }
}

t.test('it starts on this machine, in development', async (t) => {
  for (const environment of [
    {}, { NODE_ENV: 'development' }, { NODE_ENV: 'test' }, { HOST: '127.0.0.1' }, { HOST: '::1' },
    { HOST: '0.0.0.0', NODE_ENV: 'development' }, { PUBLIC_URL: 'http://localhost:50100' }
  ]) t.equal(startOf(environment), 'development issuer', JSON.stringify(environment))
})

t.test('it does not start in any other environment', async (t) => {
  for (const NODE_ENV of [
    'production', 'Production', 'prod', '"production"', '\'production\'', 'production ', 'production\r', 'PRODUCTION', 'staging',
    'Development', 'development\r', '"test"', 'none'
  ]) {
    t.match(startOf({ NODE_ENV }), /^ISSUER: required with NODE_ENV=.*\nAUDIENCE: required/, JSON.stringify(NODE_ENV))
  }
  for (const environment of [
    { HOST: '0.0.0.0' }, { HOST: '::' }, { HOST: '10.0.0.1' }, { HOST: 'api.example.com' }, { HOST: '0.0.0.0', NODE_ENV: 'test' }
  ]) {
    t.match(startOf(environment), /^ISSUER: required with HOST=.*other machines/, JSON.stringify(environment))
  }
  for (const environment of [{ PUBLIC_URL: 'https://api.example.com' }, { PUBLIC_URL: 'http://10.0.0.1', NODE_ENV: 'development' }]) {
    t.match(startOf(environment), /^ISSUER: required with a public PUBLIC_URL/, JSON.stringify(environment))
  }
  t.match(startOf({ AUDIENCE: 'test_api' }), /^ISSUER: required with AUDIENCE/)
})

t.test('it does not start where a variable looks like an issuer under another name', async (t) => {
  const names = [
    'issuer', 'Issuer', 'ISSUERS', 'ISUER', 'ISSEUR', 'ISSUER_URL', 'ISSUER_URI', 'ISSUERURL', 'ISSUER_', 'OIDC_ISSUER',
    'OIDC_ISSUER_URL', 'oidcIssuer', 'OAUTH_ISSUER', 'JWT_ISSUER', 'JWT_ISS', 'TOKEN_ISSUER', 'KEYCLOAK_ISSUER',
    'SPRING_SECURITY_OAUTH2_RESOURCESERVER_JWT_ISSUER_URI', 'MP_JWT_VERIFY_ISSUER', 'AUTH0_ISSUER_BASE_URL', 'KEYCLOAK_URL',
    'KEYCLOAK_REALM', 'KEYCLOAK_HOST', 'KEYCLOAK_AUTH_SERVER_URL', 'KEYCLOAK_BASE_URL', 'REALM', 'KC_REALM', 'KC_URL',
    'OIDC_AUTHORITY', 'OPENID_PROVIDER_URL', 'quarkus.oidc.auth-server-url', 'JWKS_URI'
  ]
  for (const name of names) {
    t.match(
      startOf({ [name]: 'hunter2' }),
      new RegExp(`^${name} \\(in the environment\\): is not read; if it means ISSUER, set ISSUER and AUDIENCE`),
      name
    )
    t.notMatch(startOf({ [name]: 'hunter2' }), /hunter2/)
    t.match(startOf({ [name]: 'x' }, [name]), `${name} (in .env)`)
  }
  for (const name of ['AUTH_SERVER_URL', 'AUTHORITY', 'SSO_URL', 'IDP_URL', 'MYCOMPANY_ISSUER', 'SSO', 'JWT_AUTHORITY']) {
    t.match(startOf({ [name]: 'https://sso.example.com' }), `${name} (in the environment)`, `${name} with an address`)
    t.equal(startOf({ [name]: 'on' }), 'development issuer', `${name} with something else`)
  }
  t.match(startOf({ ANYTHING: '"https://sso.example.com/realms/myorg"' }), 'ANYTHING (in the environment)', 'an address of a realm')
  for (const name of [
    'audience', 'AUDIENCES', 'AUDIANCE', 'OIDC_AUDIENCE', 'JWT_AUDIENCE', 'JWT_AUD', 'KEYCLOAK_AUDIENCE', 'API_AUDIENCE'
  ]) {
    t.match(startOf({ [name]: 'test_api' }), `${name} (in the environment): is not read; if it means AUDIENCE`, name)
  }
})

t.test('variables of others do not keep it from starting', async (t) => {
  const others = {
    HOME: '/home/x', USER: 'x', SSH_AUTH_SOCK: '/tmp/x', XAUTHORITY: '/home/x/.Xauthority', HOSTNAME: 'pod-1',
    KC_HOSTNAME: 'http://localhost:8080', KC_HOSTNAME_URL: 'http://localhost:8080',
    KC_DB_URL: 'jdbc:x', KC_BOOTSTRAP_ADMIN_USERNAME: 'admin', KEYCLOAK_ADMIN: 'admin', KEYCLOAK_ADMIN_PASSWORD: 'admin',
    KEYCLOAK_VERSION: '26', KEYCLOAK_SERVICE_HOST: '10.0.0.1',
    KEYCLOAK_SERVICE_PORT: '8080', KEYCLOAK_PORT: 'tcp://10.0.0.1:8080', KEYCLOAK_PORT_8080_TCP_ADDR: '10.0.0.1', CERT_ISSUER: 'x',
    CLUSTER_ISSUER: 'https://acme.example', CARD_ISSUER: 'x',
    MAILCHIMP_AUDIENCE_ID: '1', AWS_SSO_START_URL: 'https://x.example', AZURE_AUTHORITY_HOST: 'https://login.example',
    ACTIONS_ID_TOKEN_REQUEST_URL: 'https://x.example', GITHUB_SERVER_URL: 'https://github.com',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318', COMPOSE_PROJECT_NAME: 'x', npm_config_registry: 'https://x.example',
    TOKEN_ENDPOINT: 'http://localhost:8080/realms/myorg/protocol/openid-connect/token',
    CLIENT_ID: 'x', CLIENT_SECRET: 'x', API_URL: 'http://localhost:50100/api/private', REALM_NAME: 'x', DEVELOPMENT_ISSUER_PORT: '8081',
    LOGNAME: 'x', OAUTH_CLIENT_SECRET: 'x', ISSUER: ''
  }
  for (const [name, value] of Object.entries(others)) t.equal(startOf({ [name]: value }), 'development issuer', name)
  t.equal(
    startOf({ ISSUER: 'https://sso.example.com/realms/x', AUDIENCE: 'a', KEYCLOAK_URL: 'https://sso.example.com' }),
    'issuer',
    'and with an issuer none matters'
  )
})
