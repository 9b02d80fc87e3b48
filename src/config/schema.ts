import { valueProblem } from '../http/addresses.ts'
import { ALGORITHMS } from '../oauth/algorithms.ts'
import { CHALLENGE_REALM, SERVICE_CLAIM_TEXT } from '../options/issuer-checks.ts'
import { quote } from '../options/quote.ts'
import { RANGES } from '../options/ranges.ts'
import { matching, oneOf, optional, port, switchedOn, text, whole, type Setting } from './setting.ts'
import { LOG_LEVELS } from './settings.ts'

const HOST_TEXT = matching(
  /^(?:[A-Za-z\d._-]+|[\dA-Fa-f:.]*:[\dA-Fa-f:.]*(?:%[\w.-]+)?)$/,
  'a host name or an address to listen on, without a port',
  'localhost'
)

/** The one schema of the environment: names, defaults, types, and what an error says was expected. */
export const ENVIRONMENT = {
  ISSUER: optional(text('the exact iss of the tokens, such as https://sso.example.com/realms/myorg')),
  AUDIENCE: optional(text('the name of this API in aud, or several separated by commas, or * for any')),
  JWKS_URL: optional(text('the http(s) address of the key set')),
  ALGORITHMS: text(`one or more of ${ALGORITHMS.join(' ')}`, 'RS256'),
  TOKEN_KIND: oneOf(['keycloak', 'at+jwt'], 'keycloak', 'keycloak or at+jwt'),
  CLOCK_TOLERANCE_SECONDS: whole(RANGES.clockToleranceSeconds),
  MAX_TOKEN_LIFETIME_SECONDS: whole(RANGES.maxTokenLifetimeSeconds),
  KEYS_REFRESH_SECONDS: whole(RANGES.keysRefreshSeconds),
  KEYS_MAX_STALE_HOURS: whole(RANGES.keysMaxStaleHours),
  TOKEN_CACHE_MB: whole(RANGES.tokenCacheMb),
  KEYS_FETCH_TIMEOUT_SECONDS: whole(RANGES.keysFetchTimeoutSeconds),
  MAX_TOKEN_BYTES: whole(RANGES.maxTokenBytes),
  ISSUERS_FILE: optional(text('a JSON file with an array of issuers, in place of ISSUER, AUDIENCE and JWKS_URL')),
  SERVICE_CLAIM: optional(text(SERVICE_CLAIM_TEXT)),
  CORS_ORIGINS: optional(text('origins such as https://app.example.com, separated by commas')),
  ALLOW_INSECURE_HTTP: switchedOn(),
  USE_ENV_PROXY: switchedOn(),
  DEVELOPMENT_ISSUER_PORT: port(8080),
  CHALLENGE_REALM: matching(CHALLENGE_REALM.pattern, CHALLENGE_REALM.text, CHALLENGE_REALM.preset),
  PUBLIC_URL: optional(text('the http(s) address by which callers reach this API')),
  DOCS_URL: optional(text('the http(s) address under which the folder docs/ is published')),
  EXPLAIN_REFUSALS: switchedOn(),
  TRUST_PROXY: optional(text('addresses of gateways (10.0.0.7, 10.0.0.0/8, loopback, linklocal, uniquelocal)')),
  DPOP: oneOf(['off', 'allowed', 'required'], 'off', 'off, allowed or required'),
  DPOP_NONCE: switchedOn(),
  DPOP_NONCE_SECRET_FILE: optional(text('a file with one or two secrets of at least 32 bytes, one in a line')),
  REDIS_URL: optional(text('the address of Redis, such as redis://localhost:6379')),
  CLIENT_CERTIFICATE: oneOf(['off', 'tls', 'header'], 'off', 'off, tls or header'),
  TLS_CERT_FILE: optional(text('a file with the certificate of this service, in PEM')),
  TLS_KEY_FILE: optional(text('a file with the private key of TLS_CERT_FILE, in PEM')),
  HOST: HOST_TEXT,
  PORT: port(50_100),
  MANAGEMENT_PORT: optional(port(0)),
  MANAGEMENT_HOST: optional(HOST_TEXT),
  METRICS: switchedOn(),
  MAX_CONNECTIONS: whole({ minimum: 10, maximum: 1_000_000, preset: 10_000 }),
  RATE_LIMIT_PER_MINUTE: optional(whole({ minimum: 1, maximum: 10_000_000, preset: 1 })),
  LOG_REFUSALS_PER_SECOND: whole({ minimum: 0, maximum: 100_000, preset: 100 }),
  AUDIT: switchedOn(),
  LOG_LEVEL: oneOf(LOG_LEVELS, 'info', LOG_LEVELS.join(', ')),
  NODE_ENV: text('production, development or test', '')
}

/** What each setting is read as. */
export type Variables = {
  readonly [name in keyof typeof ENVIRONMENT]: typeof ENVIRONMENT[name] extends Setting<infer Value> ? Value : never
}

/** Their own checks say what is wrong with these: addresses, and a name that is never an error when an issuer is set. */
const CHECKED_ELSEWHERE = new Set(['ISSUER', 'JWKS_URL', 'PUBLIC_URL', 'DOCS_URL', 'REDIS_URL', 'NODE_ENV'])

export interface Shape {
  /** Undefined when a value does not fit the schema. */
  readonly variables: Variables | undefined
  readonly problems: readonly string[]
  /** The names that the problems are about. */
  readonly names: ReadonlySet<string>
}

/** The values as the schema has them: numbers, words of a list, defaults. */
export function readShape (given: Readonly<Record<string, string>>): Shape {
  const settings: [string, Setting<unknown>][] = Object.entries(ENVIRONMENT)
  const found = settings.flatMap(([name, setting]) => {
    const problem = given[name] === undefined ? undefined : problemOf(name, given[name], setting)
    return problem === undefined ? [] : [{ name, problem: `${name}: expected ${problem}` }]
  })
  const values = settings.map(([name, { read, preset }]) => [name, given[name] === undefined ? preset : read(given[name])])
  return {
    variables: found.length > 0 ? undefined : Object.fromEntries(values) as Variables,
    problems: found.map(({ problem }) => problem),
    names: new Set(found.map(({ name }) => name))
  }
}

function problemOf (name: string, value: string, { read, description }: Setting<unknown>): string | undefined {
  const unmeant = CHECKED_ELSEWHERE.has(name) ? undefined : valueProblem(value, 'a value')
  return unmeant ?? (read(value) === undefined ? `${description}, got ${quote(value)}` : undefined)
}

export function expectedOf (name: keyof Variables): string {
  return ENVIRONMENT[name].description
}
