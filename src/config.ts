import { addressProblems } from './config/addresses.ts'
import { bindingRequirements } from './config/binding-requirements.ts'
import { ConfigError } from './config/config-error.ts'
import { parseIssuersFile } from './config/issuers-file.ts'
import { withoutEmpty, type Environment, type EnvironmentSources } from './config/environment.ts'
import { items, listProblems, words } from './config/lists.ts'
import { OLD_CHALLENGE_REALM } from './config/names.ts'
import { portProblems } from './config/ports.ts'
import { managementProblems, requirementProblems, startsDevelopmentIssuer } from './config/requirements.ts'
import { readShape, type Variables } from './config/schema.ts'
import type { Config } from './config/settings.ts'
import { fileProblems, linesOf, textOf, type SettingFiles } from './config/setting-files.ts'
import { warningsOf } from './config/warnings.ts'
import { isAlgorithm } from './oauth/algorithms.ts'
import type { BindingSettings } from './options/binding-options.ts'
import { issuerSettings, type IssuerOptions, type IssuerSettings } from './options/issuer-options.ts'

export { ConfigError } from './config/config-error.ts'
export { readEnvironment, readSources, type Environment, type EnvironmentSources } from './config/environment.ts'
export { ENVIRONMENT } from './config/schema.ts'
export type { Audience, Config } from './config/settings.ts'

/** The development issuer: its realm is that of the file in keycloak/. */
const DEVELOPMENT_ISSUER = { issuerAt: (port: number) => `http://localhost:${port}/realms/myorg`, audience: 'test_api' } as const

/**
 * The configuration, or a ConfigError with all its problems. Pure: it looks at nothing but its arguments.
 * Not checked: whether anything responds at an address.
 */
export function loadConfig (environment: Environment, sources: Partial<EnvironmentSources> = {}): Config {
  const { fileNames = [], warnings = [], issuersFile, files = {} } = sources
  const given = tidy(environment)
  const { variables, problems, names } = readShape(given)
  const readable = Object.fromEntries(Object.entries(given).filter(([name]) => !names.has(name)))
  const file = given.ISSUERS_FILE === undefined ? undefined : parseIssuersFile(issuersFile ?? '', given)
  const all = [
    ...problems, ...requirementProblems(given, fileNames), ...managementProblems(given),
    ...portProblems(given, startsDevelopmentIssuer(given)), ...bindingRequirements(given), ...fileProblems(files, given),
    ...addressProblems(readable), ...listProblems(readable), ...file?.problems ?? []
  ]
  if (all.length > 0 || variables === undefined) throw new ConfigError(all)
  const config = toConfig(variables, file?.issuers, files)
  return { ...config, warnings: [...warningsOf(config, given, fileNames), ...warnings] }
}

/**
 * Without empty values, and without the spaces and line breaks around a value that files and secrets of Kubernetes leave
 * there. NODE_ENV as it is: what is not exactly one of its values counts as production.
 */
function tidy (environment: Environment): Record<string, string> {
  const given =
    Object.fromEntries(Object.entries(withoutEmpty(environment)).map(([name, value]) => [name, name === 'NODE_ENV' ? value : value.trim()]))
  const old = given[OLD_CHALLENGE_REALM]
  return old === undefined ? given : { CHALLENGE_REALM: old, ...given }
}

function toConfig (variables: Variables, listed: readonly IssuerOptions[] | undefined, files: SettingFiles): Omit<Config, 'warnings'> {
  const issuers = issuersOf(variables, listed)
  const [first] = issuers as [IssuerSettings]
  return {
    ...first,
    issuers,
    tokenCacheBytes: variables.TOKEN_CACHE_MB * 1024 * 1024,
    maxTokenBytes: variables.MAX_TOKEN_BYTES,
    corsOrigins: items(variables.CORS_ORIGINS),
    allowInsecureHttp: variables.ALLOW_INSECURE_HTTP === 'on',
    useEnvProxy: variables.USE_ENV_PROXY === 'on',
    developmentIssuerPort: variables.DEVELOPMENT_ISSUER_PORT,
    challengeRealm: variables.CHALLENGE_REALM,
    publicUrl: variables.PUBLIC_URL?.replace(/\/+$/, ''),
    explainRefusals: variables.EXPLAIN_REFUSALS === 'on',
    docsUrl: variables.DOCS_URL?.replace(/\/+$/, ''),
    trustProxy: words(variables.TRUST_PROXY),
    ...bindingOf(variables, files),
    host: variables.HOST,
    port: variables.PORT,
    managementPort: variables.MANAGEMENT_PORT,
    managementHost: variables.MANAGEMENT_HOST ?? variables.HOST,
    metrics: variables.METRICS === 'on' || variables.MANAGEMENT_PORT !== undefined,
    maxConnections: variables.MAX_CONNECTIONS,
    rateLimitPerMinute: variables.RATE_LIMIT_PER_MINUTE,
    logRefusalsPerSecond: variables.LOG_REFUSALS_PER_SECOND,
    audit: variables.AUDIT === 'on',
    logLevel: variables.LOG_LEVEL,
    production: !['', 'development', 'test'].includes(variables.NODE_ENV),
    developmentIssuer: variables.ISSUER === undefined && listed === undefined
  }
}

function bindingOf (variables: Variables, files: SettingFiles): Omit<BindingSettings, 'trustProxy'> & Pick<Config, 'tls'> {
  const cert = textOf(files, 'TLS_CERT_FILE')
  return {
    dpop: variables.DPOP,
    dpopNonceSecrets: variables.DPOP_NONCE === 'on' ? linesOf(textOf(files, 'DPOP_NONCE_SECRET_FILE') ?? '') : [],
    redisUrl: variables.REDIS_URL,
    clientCertificate: variables.CLIENT_CERTIFICATE,
    tls: cert === undefined ? undefined : { cert, key: textOf(files, 'TLS_KEY_FILE') ?? '' }
  }
}

/** What an issuer of ISSUERS_FILE leaves out is as the environment has it. */
function issuersOf (variables: Variables, listed: readonly IssuerOptions[] | undefined): IssuerSettings[] {
  const common = {
    algorithms: words(variables.ALGORITHMS).filter(isAlgorithm),
    tokenKind: variables.TOKEN_KIND,
    clockToleranceSeconds: variables.CLOCK_TOLERANCE_SECONDS,
    maxTokenLifetimeSeconds: variables.MAX_TOKEN_LIFETIME_SECONDS,
    keysRefreshSeconds: variables.KEYS_REFRESH_SECONDS,
    keysMaxStaleHours: variables.KEYS_MAX_STALE_HOURS,
    keysFetchTimeoutSeconds: variables.KEYS_FETCH_TIMEOUT_SECONDS,
    serviceClaim: variables.SERVICE_CLAIM
  }
  const issuer = variables.ISSUER ?? DEVELOPMENT_ISSUER.issuerAt(variables.DEVELOPMENT_ISSUER_PORT)
  const single = { issuer, audience: items(variables.AUDIENCE ?? DEVELOPMENT_ISSUER.audience), jwksUrl: variables.JWKS_URL }
  return (listed ?? [single]).map((one) => issuerSettings({ ...common, ...one }))
}
