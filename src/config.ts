import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { parseEnv } from 'node:util'
import { envSchema } from 'env-schema'
import { Type, type Static } from 'typebox'
import { ALGORITHMS, isAlgorithm, type Algorithm } from './oauth/algorithms.ts'

/** Variables as a shell or a `.env` file gives them; an empty value counts as not set. */
export type Environment = Readonly<Record<string, string | undefined>>

/** `any`: tokens of any audience, and of none, are accepted (`AUDIENCE=*`). */
export type Audience = readonly string[] | 'any'

export interface Config {
  readonly issuer: string
  readonly audience: Audience
  readonly jwksUrl: string
  readonly algorithms: readonly Algorithm[]
  readonly tokenKind: 'keycloak' | 'at+jwt'
  readonly clockToleranceSeconds: number
  readonly maxTokenLifetimeSeconds: number
  readonly keysRefreshSeconds: number
  readonly keysMaxStaleHours: number
  readonly tokenCacheBytes: number
  /** Over connect, headers and the whole body of one fetch of the key set. */
  readonly keysFetchTimeoutSeconds: number
  readonly maxTokenBytes: number
  /** A claim that proves a service: compared exactly. */
  readonly serviceClaim: { readonly name: string, readonly value: string } | undefined
  readonly corsOrigins: readonly string[]
  /** Plain http to other hosts is an error without it. */
  readonly allowInsecureHttp: boolean
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY hold for keys and token requests. */
  readonly useEnvProxy: boolean
  readonly developmentIssuerPort: number
  readonly realmName: string
  readonly publicUrl: string | undefined
  readonly trustProxy: readonly string[]
  readonly host: string
  readonly port: number
  readonly logLevel: LogLevel
  readonly production: boolean
  /** No issuer is configured: the development issuer is to be started beside the service, at `issuer`. */
  readonly developmentIssuer: boolean
  /** What an operator should hear at every start. */
  readonly warnings: readonly string[]
}

/** Everything that is wrong with a configuration, one sentence for each fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]

  constructor (faults: readonly string[]) {
    super(`${faults.length === 1 ? 'a fault' : `${faults.length} faults`} in the configuration (environment or .env):\n${faults.map((fault) => `  ${fault}`).join('\n')}`)
    this.faults = faults
  }
}

/** The development issuer: its realm is that of the file in keycloak/. */
const DEVELOPMENT_ISSUER = { issuerAt: (port: number) => `http://localhost:${port}/realms/myorg`, audience: 'test_api' } as const

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
type LogLevel = typeof LOG_LEVELS[number]

const whole = (minimum: number, maximum: number, preset: number, what = ''): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum, maximum, default: preset, description: `a whole number from ${minimum} to ${maximum}${what}` })
const text = (description: string, preset?: string): ReturnType<typeof Type.String> =>
  Type.String({ description, ...preset !== undefined && { default: preset } })

/** The one schema of the environment: names, defaults, and in `description` what a fault's sentence says was expected. */
export const ENVIRONMENT = Type.Object({
  ISSUER: Type.Optional(text('the exact iss of the tokens, such as https://sso.example.com/realms/myorg')),
  AUDIENCE: Type.Optional(text('the name of this API in aud, or several, or * for any')),
  JWKS_URL: Type.Optional(text('the http(s) address of the key set')),
  ALGORITHMS: text(`one or more of ${ALGORITHMS.join(' ')}`, 'RS256'),
  TOKEN_KIND: Type.Union([Type.Literal('keycloak'), Type.Literal('at+jwt')], { default: 'keycloak', description: 'keycloak or at+jwt' }),
  CLOCK_TOLERANCE_SECONDS: whole(0, 60, 5),
  MAX_TOKEN_LIFETIME_SECONDS: whole(1, 31_536_000, 86_400),
  KEYS_REFRESH_SECONDS: whole(1, 3600, 60),
  KEYS_MAX_STALE_HOURS: whole(0, 720, 24),
  TOKEN_CACHE_MB: whole(0, 4096, 32),
  KEYS_FETCH_TIMEOUT_SECONDS: whole(1, 30, 5),
  MAX_TOKEN_BYTES: whole(1024, 60_000, 15_000),
  SERVICE_CLAIM: Type.Optional(text('name=value of a claim that proves a service')),
  CORS_ORIGINS: Type.Optional(text('origins such as https://app.example.com, separated by commas')),
  ALLOW_INSECURE_HTTP: Type.Optional(text('on, or not set')),
  USE_ENV_PROXY: Type.Optional(text('on, or not set')),
  DEVELOPMENT_ISSUER_PORT: whole(0, 65_535, 8080),
  REALM_NAME: Type.String({
    default: 'scopegate', pattern: '^[\\x20\\x21\\x23-\\x5b\\x5d-\\x7e]{1,100}$', description: '1 to 100 ASCII characters without quote and backslash'
  }),
  PUBLIC_URL: Type.Optional(text('the http(s) address by which callers reach this API')),
  TRUST_PROXY: Type.Optional(text('addresses of gateways (10.0.0.7, 10.0.0.0/8, loopback, linklocal, uniquelocal)')),
  HOST: text('a host name or an address to listen on', 'localhost'),
  PORT: whole(0, 65_535, 50_100),
  LOG_LEVEL: Type.Union(LOG_LEVELS.map((level) => Type.Literal(level)), { default: 'info', description: LOG_LEVELS.join(', ') }),
  NODE_ENV: text('production, or anything else', '')
})

type Variables = Static<typeof ENVIRONMENT>

/** The variables of this process, over those of a `.env` file in the current folder. The only reader of `process.env`. */
export function readEnvironment (folder = process.cwd()): Environment {
  let file: Environment = {}
  try {
    file = parseEnv(readFileSync(`${folder}/.env`, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new ConfigError([`.env: cannot be read (${(error as Error).message})`])
  }
  return { ...withoutEmpty(file), ...withoutEmpty(process.env) }
}

/**
 * The configuration, or a ConfigError with all its faults. Pure: it looks at nothing but its argument.
 * Not checked: whether an address answers.
 */
export function loadConfig (environment: Environment): Config {
  const given = withoutEmpty(environment)
  const faults: string[] = []
  const variables = shapeFaults(given, faults)
  meaningFaults(given, faults)
  if (faults.length > 0 || variables === undefined) throw new ConfigError(faults)
  return toConfig(variables)
}

function withoutEmpty (environment: Environment): Record<string, string> {
  return Object.fromEntries(Object.entries(environment).filter((pair): pair is [string, string] => pair[1] !== undefined && pair[1].trim() !== ''))
}

interface ShapeFault { readonly instancePath: string }

function shapeFaults (given: Record<string, string>, faults: string[]): Variables | undefined {
  // The schema would take Infinity, 1e999 and 0x50 for whole numbers.
  const odd = Object.entries(ENVIRONMENT.properties).filter(([name, schema]) => (schema as { type?: string }).type === 'integer' && given[name] !== undefined && !/^\d{1,9}$/.test(given[name])).map(([name]) => name)
  for (const name of odd) faults.push(faultOf(name, given))
  const data = Object.fromEntries(Object.entries(given).filter(([name]) => !odd.includes(name)))
  try {
    return envSchema<Variables>({ schema: ENVIRONMENT, data, env: false, dotenv: false })
  } catch (error) {
    const names = new Set(((error as { errors?: readonly ShapeFault[] }).errors ?? []).map(({ instancePath }) => instancePath.slice(1)))
    if (names.size === 0) throw error
    for (const name of names) faults.push(faultOf(name, given))
    return undefined
  }
}

function faultOf (name: string, given: Readonly<Record<string, string>>): string {
  return `${name}: expected ${expectedOf(name as keyof Variables)}, got ${quote(given[name] ?? '')}`
}

function expectedOf (name: keyof Variables): string {
  return (ENVIRONMENT.properties[name] as { description?: string }).description ?? ''
}

/** What a schema cannot say: addresses, lists, and what one variable means for another. */
function meaningFaults (given: Record<string, string>, faults: string[]): void {
  const { ISSUER, AUDIENCE, JWKS_URL, PUBLIC_URL } = given
  if (ISSUER === undefined && given.NODE_ENV === 'production') {
    faults.push('ISSUER: required with NODE_ENV=production: the exact iss of the tokens (the development issuer is not for production)')
  }
  if (ISSUER !== undefined && AUDIENCE === undefined) {
    faults.push('AUDIENCE: required with ISSUER: the name by which tokens name this API in aud (for Keycloak the client an audience mapper names, such as test_api); AUDIENCE=* accepts any or none')
  }
  if (JWKS_URL !== undefined && ISSUER === undefined) faults.push('JWKS_URL: only together with ISSUER')
  for (const [name, value] of Object.entries({ ISSUER, JWKS_URL, PUBLIC_URL })) {
    const fault = value === undefined ? undefined : addressFault(value, name)
    if (fault !== undefined) faults.push(`${name}: ${fault}, got ${quote(value ?? '')}`)
  }
  if (AUDIENCE !== undefined && list(AUDIENCE).includes('*') && list(AUDIENCE).length > 1) faults.push('AUDIENCE: * stands alone or not at all')
  if (AUDIENCE !== undefined && list(AUDIENCE).length === 0) faults.push('AUDIENCE: expected at least one name')
  const algorithms = list(given.ALGORITHMS ?? 'RS256')
  const unknown = algorithms.filter((name) => !isAlgorithm(name))
  if (unknown.length > 0 || algorithms.length === 0) faults.push(`ALGORITHMS: expected ${expectedOf('ALGORITHMS')} (asymmetric only), got ${quote(given.ALGORITHMS ?? '')}`)
  const places = list(given.TRUST_PROXY ?? '').filter((place) => !isProxyAddress(place))
  if (places.length > 0) faults.push(`TRUST_PROXY: expected ${expectedOf('TRUST_PROXY')}, got ${quote(places.join(', '))}`)
}

function addressFault (value: string, name: string): string | undefined {
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:\/\//.test(value)) return 'expected an address that begins with https:// or http://'
  if (url.username !== '' || url.password !== '') return 'expected an address without a user name or password'
  if (url.hash !== '' || value.endsWith('#')) return 'expected an address without #'
  if (name !== 'JWKS_URL' && (url.search !== '' || value.endsWith('?'))) return 'expected an address without a query'
  if (name === 'JWKS_URL' && url.pathname === '/') return 'expected the path of the key set too, such as …/protocol/openid-connect/certs'
  if (/\s/.test(value)) return 'expected an address without blanks'
  if (name === 'PUBLIC_URL' && /[*:()[\]{}]/.test(url.pathname)) return 'expected a path without * : ( ) [ ] { }'
  if (name === 'ISSUER' && /\/realms\/[^/]+\/$/.test(value)) return 'expected no slash at the end (Keycloak puts none in iss)'
  return undefined
}

function isProxyAddress (place: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(place)) return true
  const [address = '', bits, ...more] = place.split('/')
  if (isIP(address) === 0 || more.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128))
}

function toConfig (variables: Variables): Config {
  const developmentIssuer = variables.ISSUER === undefined
  const issuer = variables.ISSUER ?? DEVELOPMENT_ISSUER.issuerAt(variables.DEVELOPMENT_ISSUER_PORT)
  const names = list(variables.AUDIENCE ?? DEVELOPMENT_ISSUER.audience)
  const config = {
    issuer,
    audience: names.includes('*') ? 'any' as const : names,
    jwksUrl: variables.JWKS_URL ?? `${issuer.replace(/\/$/, '')}/protocol/openid-connect/certs`,
    algorithms: list(variables.ALGORITHMS).filter(isAlgorithm),
    tokenKind: variables.TOKEN_KIND,
    clockToleranceSeconds: variables.CLOCK_TOLERANCE_SECONDS,
    maxTokenLifetimeSeconds: variables.MAX_TOKEN_LIFETIME_SECONDS,
    keysRefreshSeconds: variables.KEYS_REFRESH_SECONDS,
    keysMaxStaleHours: variables.KEYS_MAX_STALE_HOURS,
    tokenCacheBytes: variables.TOKEN_CACHE_MB * 1024 * 1024,
    keysFetchTimeoutSeconds: variables.KEYS_FETCH_TIMEOUT_SECONDS,
    maxTokenBytes: variables.MAX_TOKEN_BYTES,
    serviceClaim: claimOf(variables.SERVICE_CLAIM),
    corsOrigins: (variables.CORS_ORIGINS ?? '').split(',').map((origin) => origin.trim()).filter((origin) => origin !== ''),
    allowInsecureHttp: variables.ALLOW_INSECURE_HTTP === 'on',
    useEnvProxy: variables.USE_ENV_PROXY === 'on',
    developmentIssuerPort: variables.DEVELOPMENT_ISSUER_PORT,
    realmName: variables.REALM_NAME,
    publicUrl: variables.PUBLIC_URL?.replace(/\/+$/, ''),
    trustProxy: list(variables.TRUST_PROXY ?? ''),
    host: variables.HOST,
    port: variables.PORT,
    logLevel: variables.LOG_LEVEL as LogLevel,
    production: variables.NODE_ENV === 'production',
    developmentIssuer
  }
  return { ...config, warnings: warningsOf(config) }
}

function warningsOf ({ audience, issuer, jwksUrl, publicUrl }: Pick<Config, 'audience' | 'issuer' | 'jwksUrl' | 'publicUrl'>): string[] {
  const open = Object.entries({ ISSUER: issuer, JWKS_URL: jwksUrl, PUBLIC_URL: publicUrl })
    .filter(([, value]) => value !== undefined && isPlainHttpBeyondLoopback(value))
    .map(([name]) => name)
  return [
    ...audience === 'any' ? ['AUDIENCE=*: a token made for any other API of the realm opens this one too; name this API (an audience mapper in Keycloak) instead'] : [],
    ...open.length > 0 ? [`${open.join(', ')}: plain http beyond this machine: whoever is on the way can change keys and read tokens; use https`] : []
  ]
}

function isPlainHttpBeyondLoopback (address: string): boolean {
  const { protocol, hostname } = new URL(address)
  return protocol === 'http:' && hostname !== 'localhost' && !hostname.endsWith('.localhost') && hostname !== '[::1]' && !/^127(\.\d+){3}$/.test(hostname)
}

function claimOf (pair: string | undefined): Config['serviceClaim'] {
  if (pair === undefined) return undefined
  const at = pair.indexOf('=')
  return { name: pair.slice(0, at), value: pair.slice(at + 1) }
}

function list (value: string): string[] {
  return [...new Set(value.split(/[\s,]+/).filter((word) => word !== ''))]
}

/** A wrong value goes into a sentence on a terminal: short, and without control characters. */
function quote (value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
}
