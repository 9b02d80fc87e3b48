import { envSchema } from 'env-schema'
import { Type, type Static } from 'typebox'
import { valueProblem } from '../http/addresses.ts'
import { ALGORITHMS } from '../oauth/algorithms.ts'
import { CHALLENGE_REALM, SERVICE_CLAIM_TEXT } from '../options/issuer-checks.ts'
import { quote } from '../options/quote.ts'
import { RANGES, rangeText, type Range } from '../options/ranges.ts'
import { LOG_LEVELS } from './settings.ts'

const whole = (range: Range): ReturnType<typeof Type.Integer> =>
  Type.Integer({ minimum: range.minimum, maximum: range.maximum, default: range.preset, description: rangeText(range) })
const port = (preset: number): ReturnType<typeof Type.Integer> => whole({ minimum: 0, maximum: 65_535, preset })
const text = (description: string, preset?: string): ReturnType<typeof Type.String> =>
  Type.String({ description, ...preset !== undefined && { default: preset } })
const switchedOn = (): ReturnType<typeof Type.Optional<ReturnType<typeof Type.Literal<'on'>>>> =>
  Type.Optional(Type.Literal('on', { description: 'on, or not set' }))

/** The one schema of the environment: names, defaults, and in `description` what an error says was expected. */
export const ENVIRONMENT = Type.Object({
  ISSUER: Type.Optional(text('the exact iss of the tokens, such as https://sso.example.com/realms/myorg')),
  AUDIENCE: Type.Optional(text('the name of this API in aud, or several separated by commas, or * for any')),
  JWKS_URL: Type.Optional(text('the http(s) address of the key set')),
  ALGORITHMS: text(`one or more of ${ALGORITHMS.join(' ')}`, 'RS256'),
  TOKEN_KIND: Type.Union([Type.Literal('keycloak'), Type.Literal('at+jwt')], { default: 'keycloak', description: 'keycloak or at+jwt' }),
  CLOCK_TOLERANCE_SECONDS: whole(RANGES.clockToleranceSeconds),
  MAX_TOKEN_LIFETIME_SECONDS: whole(RANGES.maxTokenLifetimeSeconds),
  KEYS_REFRESH_SECONDS: whole(RANGES.keysRefreshSeconds),
  KEYS_MAX_STALE_HOURS: whole(RANGES.keysMaxStaleHours),
  TOKEN_CACHE_MB: whole(RANGES.tokenCacheMb),
  KEYS_FETCH_TIMEOUT_SECONDS: whole(RANGES.keysFetchTimeoutSeconds),
  MAX_TOKEN_BYTES: whole(RANGES.maxTokenBytes),
  ISSUERS_FILE: Type.Optional(text('a JSON file with an array of issuers, in place of ISSUER, AUDIENCE and JWKS_URL')),
  SERVICE_CLAIM: Type.Optional(text(SERVICE_CLAIM_TEXT)),
  CORS_ORIGINS: Type.Optional(text('origins such as https://app.example.com, separated by commas')),
  ALLOW_INSECURE_HTTP: switchedOn(),
  USE_ENV_PROXY: switchedOn(),
  DEVELOPMENT_ISSUER_PORT: port(8080),
  CHALLENGE_REALM: Type.String({ default: CHALLENGE_REALM.preset, pattern: CHALLENGE_REALM.pattern.source, description: CHALLENGE_REALM.text }),
  PUBLIC_URL: Type.Optional(text('the http(s) address by which callers reach this API')),
  TRUST_PROXY: Type.Optional(text('addresses of gateways (10.0.0.7, 10.0.0.0/8, loopback, linklocal, uniquelocal)')),
  HOST: Type.String({ default: 'localhost', pattern: '^(?:[A-Za-z\\d._-]+|[\\dA-Fa-f:.]*:[\\dA-Fa-f:.]*(?:%[\\w.-]+)?)$', description: 'a host name or an address to listen on, without a port' }),
  PORT: port(50_100),
  LOG_LEVEL: Type.Union(LOG_LEVELS.map((level) => Type.Literal(level)), { default: 'info', description: LOG_LEVELS.join(', ') }),
  NODE_ENV: text('production, development or test', '')
})

export type Variables = Static<typeof ENVIRONMENT>

/** Their own checks say what is wrong with these: addresses, and a name that is never an error when an issuer is set. */
const CHECKED_ELSEWHERE = new Set(['ISSUER', 'JWKS_URL', 'PUBLIC_URL', 'NODE_ENV'])

export interface Shape {
  /** Undefined when a value does not fit the schema. */
  readonly variables: Variables | undefined
  readonly problems: readonly string[]
  /** The names that the problems are about. */
  readonly names: ReadonlySet<string>
}

/** The values as the schema has them: numbers, words of a list, defaults. */
export function readShape (given: Readonly<Record<string, string>>): Shape {
  const unmeant = Object.keys(ENVIRONMENT.properties).flatMap((name) => {
    const problem = CHECKED_ELSEWHERE.has(name) || given[name] === undefined ? undefined : valueProblem(given[name], 'a value')
    return problem === undefined ? [] : [{ name, problem: `${name}: expected ${problem}` }]
  })
  const unfit = unfitNames(given).filter((name) => unmeant.every((one) => one.name !== name))
  const names = new Set([...unmeant.map(({ name }) => name), ...unfit])
  const problems = [...unmeant.map(({ problem }) => problem), ...unfit.map((name) => `${name}: expected ${expectedOf(name)}, got ${quote(given[name] ?? '')}`)]
  const variables = names.size > 0 ? undefined : envSchema<Variables>({ schema: ENVIRONMENT, data: { ...given }, env: false, dotenv: false })
  return { variables, problems, names }
}

interface SchemaError { readonly instancePath: string }

function unfitNames (given: Readonly<Record<string, string>>): string[] {
  // The schema would take Infinity, 1e999 and 0x50 for whole numbers.
  const odd = Object.entries(ENVIRONMENT.properties)
    .filter(([name, schema]) => (schema as { type?: string }).type === 'integer' && given[name] !== undefined && !/^\d{1,9}$/.test(given[name]))
    .map(([name]) => name)
  const data = Object.fromEntries(Object.entries(given).filter(([name]) => !odd.includes(name)))
  try {
    envSchema<Variables>({ schema: ENVIRONMENT, data, env: false, dotenv: false })
    return odd
  } catch (error) {
    const names = ((error as { errors?: readonly SchemaError[] }).errors ?? []).map(({ instancePath }) => instancePath.slice(1))
    if (names.length === 0) throw error
    return [...new Set([...odd, ...names])]
  }
}

export function expectedOf (name: string): string {
  return (ENVIRONMENT.properties[name as keyof Variables] as { description?: string }).description ?? ''
}
