import { readFileSync } from 'node:fs'
import { ConfigError, loadConfig, type Config, type EnvironmentSources } from '../../config.ts'
import { addressProblem } from '../../http/addresses.ts'
import { decodeText } from '../../http/text.ts'
import { issuerSettings, type IssuerSettings } from '../../options/issuer-options.ts'
import type { AcceptedBindings } from '../../oauth/challenge.ts'
import type { AccessRow } from '../../oauth/access-matrix.ts'
import { isObject, isStrings } from '../../oauth/rules/rule.ts'
import { failed, ok, warning, type Check } from './check.ts'
import { UsageError, type Arguments } from './arguments.ts'
import { guardedRows, routeName } from './routes.ts'

/** What the doctor examines: the settings as far as they can be used. */
export interface Subject {
  readonly checks: readonly Check[]
  /** Undefined where the configuration has errors. */
  readonly config: Config | undefined
  /** Those of the configuration; where it has errors, the one that can still be reached, if there is one. */
  readonly issuers: readonly IssuerSettings[]
  /** Which bound tokens the service accepts; where the configuration has errors, as far as these two settings say it. */
  readonly bindings: AcceptedBindings
  readonly useEnvProxy: boolean
  readonly allowInsecureHttp: boolean
}

/** The environment with the options of the command line in it. */
export function withArguments (sources: EnvironmentSources, { issuer, audience, jwksUrl }: Arguments): EnvironmentSources {
  const variables = {
    ...sources.variables,
    ...issuer !== undefined && { ISSUER: issuer, ISSUERS_FILE: undefined, JWKS_URL: undefined },
    ...audience !== undefined && { AUDIENCE: audience },
    ...jwksUrl !== undefined && { JWKS_URL: jwksUrl }
  }
  return { ...sources, variables, ...issuer !== undefined && { issuersFile: undefined } }
}

/** The same reader as the service's. `developmentIssuer`: whether no ISSUER means the development issuer, as in a clone. */
export function readSubject (sources: EnvironmentSources, developmentIssuer: boolean): Subject {
  const { variables } = sources
  const switches = { useEnvProxy: variables.USE_ENV_PROXY === 'on', allowInsecureHttp: variables.ALLOW_INSECURE_HTTP === 'on' }
  try {
    const config = loadConfig(variables, sources)
    if (config.developmentIssuer && !developmentIssuer) {
      const fix = 'Set ISSUER and AUDIENCE in the environment or in .env, or pass --issuer and --audience.'
      const checks = [failed('configuration', 'No issuer is configured.', { fix })]
      return { checks, config: undefined, issuers: [], bindings: config, ...switches }
    }
    const found = config.developmentIssuer ? 'no ISSUER: the development issuer, which npm start starts' : 'the settings can be used'
    const warnings = config.warnings.map((sentence) => warning('configuration', sentence))
    return { checks: [ok('configuration', found), ...warnings], config, issuers: config.issuers, bindings: config, ...switches }
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const bindings = bindingsIn(variables)
    return { checks: problemChecks(error), config: undefined, issuers: usableIssuer(variables), bindings, ...switches }
  }
}

export function problemChecks ({ problems }: ConfigError): Check[] {
  return problems.map((problem) => failed('configuration', problem))
}

function bindingsIn ({ DPOP, CLIENT_CERTIFICATE }: EnvironmentSources['variables']): AcceptedBindings {
  return {
    dpop: (['allowed', 'required'] as const).find((one) => one === DPOP?.trim()) ?? 'off',
    clientCertificate: (['tls', 'header'] as const).find((one) => one === CLIENT_CERTIFICATE?.trim()) ?? 'off'
  }
}

function usableIssuer ({ ISSUER, JWKS_URL }: EnvironmentSources['variables']): IssuerSettings[] {
  const usable = (address: string | undefined): address is string =>
    address !== undefined && addressProblem(address, { allowInsecureHttp: true, allowQuery: true }) === undefined
  if (!usable(ISSUER)) return []
  return [issuerSettings({ issuer: ISSUER, audience: '*', ...usable(JWKS_URL) && { jwksUrl: JWKS_URL } })]
}

/** The routes to examine: of a file, else of this service. Throws UsageError. */
export function chosenRoutes (rows: readonly AccessRow[] | undefined, names: readonly string[]): readonly AccessRow[] | undefined {
  if (names.length === 0 || rows === undefined) {
    if (names.length > 0) throw new UsageError('--route needs the access matrix of the service: name its file with --access.')
    return rows
  }
  const guarded = guardedRows(rows)
  return names.flatMap((name) => {
    const found = guarded.filter((row) => routeName(row) === name.trim() || row.url === name.trim())
    if (found.length === 0) {
      throw new UsageError(`--route names no route that requires a token. Those are: ${guarded.map(routeName).join(', ')}.`)
    }
    return found
  })
}

/** The matrix in a file, as `JSON.stringify(app.access.routes())` writes it. Throws UsageError. */
export function readMatrix (path: string): readonly AccessRow[] {
  let value: unknown
  try {
    value = JSON.parse(decodeText(readFileSync(path)) ?? '')
  } catch (error) {
    throw new UsageError(`--access: the file cannot be read as JSON (${(error as NodeJS.ErrnoException).code ?? 'not JSON'}).`)
  }
  if (!Array.isArray(value) || !value.every(isRow)) {
    throw new UsageError(
      '--access: the file is not an access matrix. Write JSON.stringify(app.access.routes()) into it, or use: npm run -s access -- --json'
    )
  }
  return value.map(({ access, ...row }) => ({ ...row, access: { ...access, kind: access.kind } }))
}

const MODES: ReadonlyArray<AccessRow['access']['mode']> = ['public', 'preflight', 'optional', 'protected']

/** A file that was edited must not end the doctor: every member that the checks of routes read has its type. */
function isRow (row: unknown): row is AccessRow {
  const { method, url, constraints, access } = Object(row) as Partial<Record<keyof AccessRow, unknown>>
  const { mode, clientRoles, kind, ...rest } = Object(access) as Partial<Record<keyof AccessRow['access'], unknown>>
  const lists = [rest.scopes, rest.anyScope, rest.realmRoles, rest.challengeScopes]
  return typeof method === 'string' && typeof url === 'string' && (constraints === undefined || typeof constraints === 'string') &&
    MODES.some((one) => one === mode) && (kind === undefined || kind === 'service' || kind === 'user') &&
    isObject(clientRoles) && [...lists, ...Object.values(clientRoles)].every(isStrings)
}
