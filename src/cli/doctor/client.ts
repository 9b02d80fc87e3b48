import { readFileSync } from 'node:fs'
import { ClientError, createClient, SettingsError, type ClientErrorCode, type ClientOptions } from '../../client/client.ts'
import type { EnvironmentSources } from '../../config.ts'
import { printable } from '../../oauth/printable.ts'
import { UsageError, type Arguments } from './arguments.ts'
import { failed, ok, type Check, type More } from './check.ts'

/** The client whose token is examined. */
export interface Credentials {
  readonly clientId: string
  readonly clientSecret: string
  readonly clientAuthentication: string | undefined
  readonly scope: readonly string[]
  readonly tokenEndpoint: string | undefined
}

/**
 * The credentials of the command line over those of the environment; undefined: none are given, or one half only. Throws UsageError.
 */
export function readCredentialsOf ({ variables }: EnvironmentSources, given: Arguments, input: string): Credentials | undefined {
  const clientId = given.clientId ?? variables.CLIENT_ID
  const clientSecret = given.clientSecretFile === undefined ? variables.CLIENT_SECRET : secretIn(given.clientSecretFile, input)
  if (clientSecret === undefined && given.clientId !== undefined) {
    throw new UsageError('--client-id needs the secret of the client: set CLIENT_SECRET, or name a file with --client-secret-file.')
  }
  if (clientId === undefined && given.clientSecretFile !== undefined) {
    throw new UsageError('--client-secret-file needs the id of the client: --client-id, or CLIENT_ID.')
  }
  if (clientId === undefined || clientSecret === undefined) return undefined
  const scope = (given.scope ?? variables.SCOPE ?? '').split(/[\s,]+/).filter((word) => word !== '')
  const tokenEndpoint = given.tokenEndpoint ?? variables.TOKEN_ENDPOINT
  return { clientId, clientSecret, clientAuthentication: variables.CLIENT_AUTHENTICATION, scope, tokenEndpoint }
}

function secretIn (file: string, input: string): string {
  if (file === '-') return input.trim()
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new UsageError(`--client-secret-file: the file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`)
  }
}

export interface TokenSource {
  readonly check: Check
  readonly token: string | undefined
  /** Scopes that were requested and that the response does not list. */
  readonly notListed: readonly string[]
}

export type Reach = Pick<ClientOptions, 'allowInsecureHttp' | 'useEnvProxy'>

/** One token by the client of this package, with the scopes given. Never rejects. */
export async function requestToken (
  credentials: Credentials, tokenEndpoint: string, scope: readonly string[], reach: Reach
): Promise<TokenSource> {
  const notListed: string[] = []
  const requested = `a token for ${printable(credentials.clientId)}, ${scope.length === 0 ? 'no scope requested' : `scope ${printable(scope.join(' '))}`}`
  try {
    const client = createClient({
      ...reach,
      clientId: credentials.clientId,
      clientSecret: credentials.clientSecret,
      clientAuthentication: (credentials.clientAuthentication ?? 'client_secret_basic') as 'client_secret_basic',
      scope, tokenEndpoint,
      apiUrl: tokenEndpoint,
      onWarning: (warned) => { if (warned.code === 'scope_not_listed') notListed.push(...warned.scopes) }
    })
    try {
      const token = await client.token()
      return { check: ok('token_request', `${new URL(tokenEndpoint).origin} issued ${requested}`), token, notListed }
    } finally {
      await client.close()
    }
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    const fix = error instanceof SettingsError ? 'Correct the settings of the client: CLIENT_ID, CLIENT_SECRET, SCOPE, TOKEN_ENDPOINT.' : ADVICE[error.code]
    return { check: failed(error.code, `no token: ${requested}`, { cause: `${error.message}.`, ...fix !== undefined && { fix } }), token: undefined, notListed }
  }
}

const ADVICE: Readonly<Partial<Record<ClientErrorCode, string>>> = {
  credentials_refused: 'Compare CLIENT_ID and CLIENT_SECRET with Keycloak (Clients, Credentials); for a client of its own "Service accounts roles" must be on.',
  scope_refused: 'In Keycloak add each requested scope to the client (Clients, Client scopes, Add client scope), as default or optional; the names must be equal, upper and lower case too.',
  request_refused: 'Look at the client in Keycloak, and at the log of Keycloak.',
  issuer_unreachable: 'Look at the checks of the issuer above, and at TOKEN_ENDPOINT.',
  issuer_response_invalid: 'Look at TOKEN_ENDPOINT: it must be the token endpoint of the realm.'
}

/** More would be a burden for the issuer. */
const MAX_TRIED = 10

/**
 * Why the client's token lacks each of these scopes: it was not requested, the issuer does not grant it, or it is granted and not in the
 * token. Found out by requesting it: one more token for each scope.
 */
export async function causesOfLack (
  lacking: readonly string[], credentials: Credentials, notListed: readonly string[], known: readonly string[] | undefined,
  request: (scope: readonly string[]) => Promise<TokenSource>
): Promise<ReadonlyMap<string, More>> {
  const causes = new Map<string, More>()
  for (const scope of lacking.slice(0, MAX_TRIED)) {
    if (credentials.scope.includes(scope)) causes.set(scope, notListed.includes(scope) ? NOT_IN_TOKEN : {})
    else causes.set(scope, causeOf(scope, await request([...credentials.scope, scope]), known))
  }
  return causes
}

const NOT_IN_TOKEN: More = {
  code: 'scope_not_in_token',
  cause: 'The issuer grants the scope, but it is not in the token.',
  fix: 'In Keycloak switch "Include in token scope" on for this client scope (Client scopes, the scope, Settings): it is off by default.'
}

function causeOf (scope: string, { token, check, notListed }: TokenSource, known: readonly string[] | undefined): More {
  if (token !== undefined) {
    if (notListed.includes(scope)) return NOT_IN_TOKEN
    return { code: 'scope_not_requested', cause: 'It is an optional scope of this client, and was not requested.', fix: `The caller must request it: scope=${scope} in the token request (SCOPE=${scope}).` }
  }
  if (check.name !== 'scope_refused') return {}
  if (known?.includes(scope) === false) {
    return { code: 'scope_unknown', cause: 'The realm has no such scope.', fix: `In Keycloak create the client scope ${scope} with "Include in token scope" on, and add it to the client.` }
  }
  return { code: 'scope_not_assigned', cause: 'The client does not have this scope.', fix: `In Keycloak add ${scope} to the client (Clients, Client scopes, Add client scope), as default, or as optional and let the caller request it.` }
}
