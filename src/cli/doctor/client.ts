import { ClientError, createClient, SettingsError, type ClientErrorCode, type ClientOptions } from '../../client/client.ts'
import { hasProof, readCertificate, readCredentials, readRequestOptions, type Credentials as ClientCredentials } from '../call-settings.ts'
import { asSentence, settingSentences } from '../call-words.ts'
import type { EnvironmentSources } from '../../config.ts'
import { printable } from '../../oauth/printable.ts'
import { UsageError, type Arguments } from './arguments.ts'
import { failed, ok, skipped, type Check, type More } from './check.ts'
import { secretIn } from './secret-file.ts'

/** The client whose token is examined. */
export interface Credentials {
  readonly options: Pick<ClientOptions, 'clientId' | 'dpop' | 'ca' | 'audience' | 'resource'> & ClientCredentials
  readonly scope: readonly string[]
  readonly tokenEndpoint: string | undefined
}

/**
 * The credentials of the command line over those of the environment, as `scopegate call` reads them. A check: they cannot be used;
 * undefined: there are none. Throws UsageError.
 */
export function readCredentialsOf (
  { variables }: EnvironmentSources, given: Arguments, input: string | undefined
): Credentials | Check | undefined {
  const { clientSecretFile: file } = given
  const clientId = given.clientId ?? variables.CLIENT_ID
  if (clientId === undefined && file !== undefined) {
    throw new UsageError('--client-secret-file needs the id of the client: --client-id, or CLIENT_ID.')
  }
  try {
    const proof = file === undefined ? readCredentials(variables) : withSecret(variables, secretIn(file, input))
    if (!hasProof(proof)) {
      if (given.clientId !== undefined) {
        throw new UsageError('--client-id needs the secret of the client: set CLIENT_SECRET, or name a file with --client-secret-file.')
      }
      return clientId === undefined ? undefined : skipped(
        'token_request',
        'a token for the client',
        'CLIENT_ID is set, but no secret: with CLIENT_SECRET or --client-secret-file a token is requested, and explained.'
      )
    }
    if (clientId === undefined) {
      return skipped(
        'token_request',
        'a token for the client',
        'A secret or a key is set, but no CLIENT_ID: with it a token is requested, and explained.'
      )
    }
    return {
      options: { ...readRequestOptions(variables), ...proof, clientId },
      scope: (given.scope ?? variables.SCOPE ?? '').split(/[\s,]+/).filter((word) => word !== ''),
      tokenEndpoint: given.tokenEndpoint ?? variables.TOKEN_ENDPOINT
    }
  } catch (error) {
    if (error instanceof SettingsError) return unusable(error)
    throw error
  }
}

/** Beside the secret the certificate of CLIENT_MTLS=on remains. */
function withSecret (variables: EnvironmentSources['variables'], clientSecret: string): ClientCredentials {
  const { CLIENT_AUTHENTICATION, CLIENT_MTLS } = variables
  return { ...readCredentials({ CLIENT_AUTHENTICATION }), ...CLIENT_MTLS !== undefined && readCertificate(variables), clientSecret }
}

function unusable (error: SettingsError): Check {
  return failed(
    error.code,
    'the settings of the client cannot be used',
    { cause: `${settingSentences(error).join('. ')}.`, fix: 'Correct these settings, in the environment or in .env.' }
  )
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
  { options }: Credentials, tokenEndpoint: string, scope: readonly string[], reach: Reach
): Promise<TokenSource> {
  const notListed: string[] = []
  const caller = `${printable(options.clientId)}, ${scope.length === 0 ? 'no scope requested' : `scope ${printable(scope.join(' '))}`}`
  try {
    const client = createClient({
      ...reach,
      ...options,
      scope, tokenEndpoint,
      apiUrl: tokenEndpoint,
      onWarning: (warned) => { if (warned.code === 'scope_not_listed') notListed.push(...warned.scopes) }
    })
    try {
      const token = await client.token()
      return { check: ok('token_request', `${new URL(tokenEndpoint).origin} issued a token for ${caller}`), token, notListed }
    } finally {
      await client.close()
    }
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    if (error instanceof SettingsError) return { check: unusable(error), token: undefined, notListed }
    const fix = adviceOn(error)
    return {
      check: failed(error.code, `no token for ${caller}`, { cause: asSentence(error.message), ...fix !== undefined && { fix } }),
      token: undefined,
      notListed
    }
  }
}

function adviceOn ({ code, message }: ClientError): string | undefined {
  if (/\bset mtls$/.test(message)) {
    return 'CLIENT_MTLS=on presents the certificate of CLIENT_CERTIFICATE_FILE, which the token is bound to (createClient: mtls). If it ' +
      'need not be bound, in Keycloak switch "OAuth 2.0 Mutual TLS Certificate Bound Access Tokens Enabled" off for the client (Advanced).'
  }
  return /\bset dpop$/.test(message)
    ? 'CLIENT_DPOP=on requests a token that is bound to a key, as the client must (createClient: dpop). ' +
    'If it need not be bound, in Keycloak switch "Require DPoP bound tokens" off for the client (Advanced).'
    : ADVICE[code]
}

const ADVICE: Readonly<Partial<Record<ClientErrorCode, string>>> = {
  credentials_refused:
    'Compare CLIENT_ID and CLIENT_SECRET with Keycloak (Clients, Credentials); for a client of its own "Service accounts roles" ' +
    'must be on.',
  scope_refused:
    'In Keycloak add each requested scope to the client (Clients, Client scopes, Add client scope), as default or optional; ' +
    'the names must be equal, upper and lower case too.',
  secret_unavailable: 'Correct the path, and the rights of the file.',
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
    return {
      code: 'scope_not_requested',
      cause: 'It is an optional scope of this client, and was not requested.',
      fix: `The caller must request it: scope=${scope} in the token request (SCOPE=${scope}).`
    }
  }
  if (check.name !== 'scope_refused') return {}
  if (known?.includes(scope) === false) {
    return {
      code: 'scope_unknown',
      cause: 'The realm has no such scope.',
      fix: `In Keycloak create the client scope ${scope} with "Include in token scope" on, and add it to the client.`
    }
  }
  return {
    code: 'scope_not_assigned',
    cause: 'The client does not have this scope.',
    fix:
      `In Keycloak add ${scope} to the client (Clients, Client scopes, Add client scope), as default, ` +
      'or as optional and let the caller request it.'
  }
}
