import type { ClientOptions } from '../client/client.ts'

/** The options of the client that the program makes; `apiUrl` is at once the address that it calls. */
export type Call = ClientOptions & { readonly clientSecret: string, readonly scope: readonly string[] }

/** The variable that sets an option. */
export const VARIABLES: Readonly<Record<string, string>> = {
  issuer: 'ISSUER',
  tokenEndpoint: 'TOKEN_ENDPOINT',
  clientId: 'CLIENT_ID',
  clientSecret: 'CLIENT_SECRET',
  clientAuthentication: 'CLIENT_AUTHENTICATION',
  scope: 'SCOPE',
  apiUrl: 'API_URL'
}

const DEFAULTS = {
  tokenEndpoint: 'http://localhost:8080/realms/myorg/protocol/openid-connect/token',
  clientId: 'test_api_client',
  clientSecret: 'test-api-client-demo-secret',
  scope: 'test_api_access',
  apiUrl: 'http://localhost:50100/api/private-scoped'
}

export const HELP = `Gets an access token with the client credentials of a client, and calls an API with it once.

Usage: npm run client [-- --no-scope]

  --no-scope   ask for no scope: the token has the client's default scopes only
  --help       this text

Settings, from the environment or from a file .env in the current folder (the environment wins; empty means not set):
  TOKEN_ENDPOINT         where tokens are asked for: ${DEFAULTS.tokenEndpoint}
  ISSUER                 if TOKEN_ENDPOINT is not set: the issuer, whose discovery document names the token endpoint
  CLIENT_ID              ${DEFAULTS.clientId}
  CLIENT_SECRET          the demo client's own, unless set
  CLIENT_AUTHENTICATION  post (in the form) or basic (in the header): post
  SCOPE                  scopes to ask for, separated by blanks or commas: ${DEFAULTS.scope}
  API_URL                the address to call: ${DEFAULTS.apiUrl}
Secret and token are sent over https only, or over plain http to localhost; there is no switch for that.

The API's answer goes to standard output, everything else to standard error. Exit code:
  0  the API answered with success
  1  something unexpected, also any other answer of the API
  2  a setting cannot be worked with
  3  the issuer refuses a token: client id, secret or scope
  4  the API refuses the token (401) or the client (403)
  5  the issuer or the API cannot be reached, or cannot answer now`

/** Settings into options. Nothing is checked here: the client does, and names what it cannot work with. */
export function readCall (env: Readonly<Record<string, string | undefined>>, withoutScope: boolean): Call {
  const place = env.TOKEN_ENDPOINT === undefined && env.ISSUER !== undefined
    ? { issuer: env.ISSUER }
    : { tokenEndpoint: env.TOKEN_ENDPOINT ?? DEFAULTS.tokenEndpoint }
  return {
    ...place,
    clientId: env.CLIENT_ID ?? DEFAULTS.clientId,
    clientSecret: env.CLIENT_SECRET ?? DEFAULTS.clientSecret,
    clientAuthentication: (env.CLIENT_AUTHENTICATION ?? 'post') as 'post' | 'basic',
    scope: withoutScope ? [] : (env.SCOPE ?? DEFAULTS.scope).split(/[\s,]+/).filter((word) => word !== ''),
    apiUrl: env.API_URL ?? DEFAULTS.apiUrl
  }
}
