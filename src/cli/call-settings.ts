import { parseArgs } from 'node:util'
import type { ClientOptions } from '../client/client.ts'

/** The options of the client that the program makes; `apiUrl` is at once the address that it calls. */
export type Call = ClientOptions & { readonly clientSecret: string, readonly scope: readonly string[], readonly verbose: boolean }

/** The variable that sets an option. */
export const VARIABLES: Readonly<Record<string, string>> = {
  issuer: 'ISSUER',
  tokenEndpoint: 'TOKEN_ENDPOINT',
  clientId: 'CLIENT_ID',
  clientSecret: 'CLIENT_SECRET',
  clientAuthentication: 'CLIENT_AUTHENTICATION',
  scope: 'SCOPE',
  apiUrl: 'API_URL',
  tokenDeadlineMs: 'TOKEN_TIMEOUT_SECONDS',
  apiDeadlineMs: 'API_TIMEOUT_SECONDS',
  allowInsecureHttp: 'ALLOW_INSECURE_HTTP',
  useEnvProxy: 'USE_ENV_PROXY'
}

/** What a variable expects, where that differs from the option. */
export const EXPECTED: Readonly<Record<string, string>> = {
  tokenDeadlineMs: 'a number of seconds from 1 to 30',
  apiDeadlineMs: 'a positive number of seconds',
  allowInsecureHttp: 'on, or not set',
  useEnvProxy: 'on, or not set'
}

const DEFAULTS = {
  tokenEndpoint: 'http://localhost:8080/realms/myorg/protocol/openid-connect/token',
  clientId: 'test_api_client',
  clientSecret: 'test-api-client-demo-secret',
  scope: 'test_api_access',
  apiUrl: 'http://localhost:50100/api/private-scoped'
}

export const HELP = `Gets an access token with the client credentials of a client, and calls an API with it once.

Usage: npm run client [-- [options] [path or address]]
       npm run client -- --scope reports:read /api/reports

  path or address   a path at the host of API_URL, or a whole address instead of API_URL
  --scope <words>   scopes to request, instead of SCOPE
  --no-scope        request no scope: the token has the client's default scopes only
  --verbose, -v     also report what differs from the request
  --help, -h        this text

Windows PowerShell removes the -- before the options. Set variables there, or run the program itself once it is built (npm run build:fast):
  $env:SCOPE='reports:read'; $env:API_URL='http://localhost:50100/api/reports'; npm run client
  node dist/src/cli/client.js --scope reports:read /api/reports

Settings, from the environment or from a file .env in the current folder (the environment wins; empty means not set):
  TOKEN_ENDPOINT         where tokens are requested: ${DEFAULTS.tokenEndpoint}
  ISSUER                 if TOKEN_ENDPOINT is not set: the issuer, whose discovery document names the token endpoint
  CLIENT_ID              ${DEFAULTS.clientId}
  CLIENT_SECRET          the demo client's own, unless set
  CLIENT_AUTHENTICATION  client_secret_basic (in the header, the default) or client_secret_post (in the form)
  SCOPE                  scopes to request, separated by spaces or commas: ${DEFAULTS.scope}
  API_URL                the address to call: ${DEFAULTS.apiUrl}
  TOKEN_TIMEOUT_SECONDS  for one request to the issuer, 1 to 30: 10
  API_TIMEOUT_SECONDS    for the call of the API: 10
  USE_ENV_PROXY          on: through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY
  ALLOW_INSECURE_HTTP    on: secret and token are also sent over plain http to other hosts than localhost

The body of the API's response goes to standard output, everything else to standard error; "npm run -s client" adds nothing of npm. Exit code:
  0  the API responded with success
  1  something unexpected, also any other response of the API
  2  a setting cannot be used
  3  the issuer refuses a token: client id, secret or scope
  4  the API refuses the token (401) or the client (403)
  5  the issuer or the API cannot be reached, or cannot respond now`

export interface Arguments {
  readonly help: boolean
  readonly verbose: boolean
  readonly scope: string | undefined
  readonly withoutScope: boolean
  readonly target: string | undefined
}

/** Throws the TypeError of `parseArgs`, with a code `ERR_PARSE_ARGS_…`. */
export function readArguments (args: readonly string[]): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' }, verbose: { type: 'boolean', short: 'v' }, scope: { type: 'string' }, 'no-scope': { type: 'boolean' }
    }
  })
  if (positionals.length > 1) throw Object.assign(new TypeError('One path or address only.'), { code: 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL' })
  const { help = false, verbose = false, scope, 'no-scope': withoutScope = false } = values
  return { help, verbose, scope, withoutScope, target: positionals[0] }
}

/** Settings into options. Nothing is checked here: the client does, and names what it cannot use. */
export function readCall (
  env: Readonly<Record<string, string | undefined>>, { scope = env.SCOPE, withoutScope, target, verbose }: Arguments
): Call {
  const place = env.TOKEN_ENDPOINT === undefined && env.ISSUER !== undefined
    ? { issuer: env.ISSUER }
    : { tokenEndpoint: env.TOKEN_ENDPOINT ?? DEFAULTS.tokenEndpoint }
  return {
    ...place,
    verbose,
    clientId: env.CLIENT_ID ?? DEFAULTS.clientId,
    clientSecret: env.CLIENT_SECRET ?? DEFAULTS.clientSecret,
    clientAuthentication: (env.CLIENT_AUTHENTICATION ?? 'client_secret_basic') as 'client_secret_basic',
    scope: withoutScope ? [] : (scope ?? DEFAULTS.scope).split(/[\s,]+/).filter((word) => word !== ''),
    apiUrl: addressOf(env.API_URL ?? DEFAULTS.apiUrl, target),
    allowInsecureHttp: switched(env.ALLOW_INSECURE_HTTP),
    useEnvProxy: switched(env.USE_ENV_PROXY),
    ...env.TOKEN_TIMEOUT_SECONDS !== undefined && { tokenDeadlineMs: Number(env.TOKEN_TIMEOUT_SECONDS) * 1000 },
    ...env.API_TIMEOUT_SECONDS !== undefined && { apiDeadlineMs: Number(env.API_TIMEOUT_SECONDS) * 1000 }
  }
}

/** A path stays at the host of API_URL, however it is spelt; what is neither path nor address is refused by the client. */
function addressOf (apiUrl: string, target = apiUrl): string {
  return /^\/(?![/\\])/.test(target) && URL.canParse(target, apiUrl) ? new URL(target, apiUrl).href : target
}

/** Any other value than `on` is refused by the client. */
function switched (value: string | undefined): boolean {
  return (value === undefined || value === 'on' ? value === 'on' : value) as boolean
}
