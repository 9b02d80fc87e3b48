import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SettingsError } from '../client/client.ts'
import type { ClientOptions } from '../client/client.ts'
import { decodePem } from '../http/text.ts'

/** What the program calls, and with which options of the client; `apiUrl` is at once the address. */
export interface Call {
  readonly options: ClientOptions
  readonly address: string
  readonly scope: readonly string[]
  readonly secret: string | undefined
  readonly verbose: boolean
}

/** The variable that sets an option. */
export const VARIABLES: Readonly<Record<string, string>> = {
  issuer: 'ISSUER',
  tokenEndpoint: 'TOKEN_ENDPOINT',
  clientId: 'CLIENT_ID',
  clientSecret: 'CLIENT_SECRET',
  clientKey: 'CLIENT_KEY_FILE',
  clientKeyId: 'CLIENT_KEY_ID',
  clientKeyAlgorithm: 'CLIENT_KEY_ALGORITHM',
  clientAssertion: 'CLIENT_ASSERTION_FILE',
  clientCertificate: 'CLIENT_CERTIFICATE_FILE',
  clientAuthentication: 'CLIENT_AUTHENTICATION',
  mtls: 'CLIENT_MTLS',
  dpop: 'CLIENT_DPOP',
  scope: 'SCOPE',
  audience: 'TOKEN_AUDIENCE',
  resource: 'TOKEN_RESOURCE',
  apiUrl: 'API_URL',
  stepUp: 'STEP_UP',
  ca: 'CA_FILE',
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
  useEnvProxy: 'on, or not set',
  stepUp: 'on, or not set',
  dpop: 'on, or not set; a token that is bound to a key is of use for scopegate call only',
  ca: 'a file with certificates of authorities as PEM',
  mtls: 'on, or not set; with CLIENT_CERTIFICATE_FILE and CLIENT_CERTIFICATE_KEY_FILE, and an issuer with https',
  clientCertificate: 'a file with a certificate as PEM, and CLIENT_CERTIFICATE_KEY_FILE with its key'
}

/** Those of the development issuer and of its demo client. */
export const DEFAULTS = {
  tokenEndpoint: 'http://localhost:8080/realms/myorg/protocol/openid-connect/token',
  clientId: 'test_api_client',
  clientSecret: 'test-api-client-demo-secret',
  scope: 'test_api_access',
  apiUrl: 'http://localhost:50100/api/private-scoped'
}

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
      help: { type: 'boolean', short: 'h' }, verbose: { type: 'boolean', short: 'v' }, scope: { type: 'string' },
      'no-scope': { type: 'boolean' }
    }
  })
  if (positionals.length > 1) {
    throw Object.assign(new TypeError('One path or address only.'), { code: 'ERR_PARSE_ARGS_UNEXPECTED_POSITIONAL' })
  }
  const { help = false, verbose = false, scope, 'no-scope': withoutScope = false } = values
  return { help, verbose, scope, withoutScope, target: positionals[0] }
}

type Variables = Readonly<Record<string, string | undefined>>

/** Settings into options. Nothing is checked here but what cannot be read: the client checks, and names what it cannot use. */
export function readCall (env: Variables, { scope = env.SCOPE, withoutScope, target, verbose }: Arguments): Call {
  const place = env.TOKEN_ENDPOINT === undefined && env.ISSUER !== undefined
    ? { issuer: env.ISSUER }
    : { tokenEndpoint: env.TOKEN_ENDPOINT ?? DEFAULTS.tokenEndpoint }
  const words = withoutScope ? [] : (scope ?? DEFAULTS.scope).split(/[\s,]+/).filter((word) => word !== '')
  const address = addressOf(env.API_URL ?? DEFAULTS.apiUrl, target)
  const found = readCredentials(env)
  const credentials = hasProof(found) ? found : { ...found, clientSecret: DEFAULTS.clientSecret }
  const options = {
    ...place,
    ...credentials,
    clientId: env.CLIENT_ID ?? DEFAULTS.clientId,
    scope: words,
    apiUrl: address,
    allowInsecureHttp: switched(env.ALLOW_INSECURE_HTTP),
    useEnvProxy: switched(env.USE_ENV_PROXY),
    stepUp: switched(env.STEP_UP),
    ...readRequestOptions(env),
    ...env.TOKEN_TIMEOUT_SECONDS !== undefined && { tokenDeadlineMs: Number(env.TOKEN_TIMEOUT_SECONDS) * 1000 },
    ...env.API_TIMEOUT_SECONDS !== undefined && { apiDeadlineMs: Number(env.API_TIMEOUT_SECONDS) * 1000 }
  }
  return {
    options, address, scope: words, secret: typeof credentials.clientSecret === 'string' ? credentials.clientSecret : undefined, verbose
  }
}

/** How a client proves who it is. */
export type Credentials = Pick<
  ClientOptions,
  'clientSecret' | 'clientKey' | 'clientKeyId' | 'clientKeyAlgorithm' | 'clientAssertion' | 'clientCertificate' | 'mtls' |
  'clientAuthentication'
>

/** Whether there is a secret, a key, an assertion or a certificate. */
export function hasProof ({ clientSecret, clientKey, clientAssertion, clientCertificate, mtls }: Credentials): boolean {
  return [clientSecret, clientKey, clientAssertion, clientCertificate, mtls].some((one) => one !== undefined)
}

/** As they are set; none is made up. Throws a SettingsError. */
export function readCredentials (env: Variables): Credentials {
  if (env.CLIENT_SECRET !== undefined && env.CLIENT_SECRET_FILE !== undefined) {
    throw new SettingsError([{ option: 'clientSecret', expected: 'CLIENT_SECRET or CLIENT_SECRET_FILE, not both' }])
  }
  const clientSecret = env.CLIENT_SECRET_FILE === undefined ? env.CLIENT_SECRET : { file: env.CLIENT_SECRET_FILE }
  return {
    ...clientSecret !== undefined && { clientSecret },
    ...env.CLIENT_KEY_FILE !== undefined && { clientKey: { file: env.CLIENT_KEY_FILE } },
    ...env.CLIENT_ASSERTION_FILE !== undefined && { clientAssertion: { file: env.CLIENT_ASSERTION_FILE } },
    ...readCertificate(env),
    ...env.CLIENT_AUTHENTICATION !== undefined && { clientAuthentication: env.CLIENT_AUTHENTICATION as 'client_secret_basic' },
    ...env.CLIENT_KEY_ID !== undefined && { clientKeyId: env.CLIENT_KEY_ID },
    ...env.CLIENT_KEY_ALGORITHM !== undefined && { clientKeyAlgorithm: env.CLIENT_KEY_ALGORITHM as 'RS256' }
  }
}

/** Throws a SettingsError. */
export function readCertificate (env: Variables): Pick<ClientOptions, 'clientCertificate' | 'mtls'> {
  const { CLIENT_CERTIFICATE_FILE: cert, CLIENT_CERTIFICATE_KEY_FILE: key, CLIENT_MTLS: mtls } = env
  if (mtls !== undefined && mtls !== 'on') throw new SettingsError([{ option: 'mtls', expected: 'on, or not set' }])
  if (mtls === undefined && cert === undefined && key === undefined) return {}
  const certificate = { cert: { file: cert ?? '' }, key: { file: key ?? '' } }
  return mtls === undefined ? { clientCertificate: certificate } : { mtls: certificate }
}

/** What a token request has beside credentials and scope. Throws a SettingsError. */
export function readRequestOptions (env: Variables): Pick<ClientOptions, 'dpop' | 'ca' | 'audience' | 'resource'> {
  return {
    dpop: switched(env.CLIENT_DPOP),
    ...env.CA_FILE !== undefined && { ca: readAuthorities(env.CA_FILE) },
    ...env.TOKEN_AUDIENCE !== undefined && { audience: env.TOKEN_AUDIENCE },
    ...env.TOKEN_RESOURCE !== undefined && { resource: env.TOKEN_RESOURCE }
  }
}

/** A file that cannot be read is a setting that cannot be used; the client refuses one without certificates, with what else is wrong. */
function readAuthorities (path: string): string {
  try {
    return decodePem(readFileSync(path)) ?? ''
  } catch {
    throw new SettingsError([{ option: 'ca', expected: 'a file with certificates of authorities as PEM' }])
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
