import type { EnvironmentSources } from '../../config.ts'
import { ConfigError } from '../../config.ts'
import { scopesOf, type AccessRow } from '../../oauth/access-matrix.ts'
import type { KeySet } from '../../oauth/key-set.ts'
import { HELP, readArguments, UsageError, type Arguments } from './arguments.ts'
import type { Section } from './check.ts'
import { readCredentialsOf } from './client.ts'
import { readInput, readPresented, type Input } from './input.ts'
import { examineIssuer, type Discovery, type IssuerFindings } from './issuer.ts'
import { proxyVariables } from './proxy.ts'
import { formatReport, isHealthy, reportAsJson, type Report } from './report.ts'
import { chosenRoutes, problemChecks, readMatrix, readSubject, withArguments, type Subject } from './subject.ts'
import { examinePresented } from './presented.ts'

/** What the doctor reads and where it writes; replaced in tests. */
export interface Surroundings {
  readonly args: readonly string[]
  /** Throws a ConfigError. */
  readonly sources: () => EnvironmentSources
  readonly input: Input
  readonly out: { readonly write: (text: string) => unknown, readonly isTTY?: boolean | undefined }
  readonly err: { readonly write: (text: string) => unknown }
  /** The access matrix of the service in whose folder it runs; undefined where the package is installed elsewhere. */
  readonly ownRoutes?: (() => Promise<readonly AccessRow[]>) | undefined
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number
}

/** The exit code; `--help` lists the same. */
const EXIT = { healthy: 0, problems: 1, usage: 2 } as const

/** Examines, reports, and resolves to the exit code. Neither a token nor a secret is written. */
export async function doctor (surroundings: Surroundings): Promise<number> {
  const { args, out, err } = surroundings
  try {
    const given = readArguments(args)
    if (given.help) {
      out.write(HELP)
      return EXIT.healthy
    }
    const { report, noColour } = await examine(given, surroundings)
    out.write(given.json ? `${reportAsJson(report)}\n` : formatReport(report, out.isTTY === true && !noColour))
    return isHealthy(report) ? EXIT.healthy : EXIT.problems
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    err.write(`${error.message}\n`)
    return EXIT.usage
  }
}

interface Outcome {
  readonly report: Report
  /** NO_COLOR is set (no-color.org). */
  readonly noColour: boolean
}

async function examine (given: Arguments, surroundings: Surroundings): Promise<Outcome> {
  const { sources: read, input, ownRoutes, nowMs = Date.now } = surroundings
  let sources: EnvironmentSources
  try {
    sources = withArguments(read(), given)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return { report: { sections: [{ title: 'Configuration', checks: problemChecks(error) }] }, noColour: false }
  }
  const noColour = sources.variables.NO_COLOR !== undefined
  const subject = readSubject(sources, ownRoutes !== undefined)
  const rows = chosenRoutes(given.access === undefined ? await ownRoutes?.() : readMatrix(given.access), given.routes)
  const reading = readInput(input, given.tokenStdin || given.clientSecretFile === '-')
  const issuers = given.offline ? [] : await examineIssuers(subject, sources, rows, nowMs)
  const text = await reading
  const isSecret = given.clientSecretFile === '-'
  const presented = readPresented(isSecret ? '' : text, {
    announced: given.tokenStdin, dpop: subject.bindings.dpop !== 'off'
  })
  const credentials = presented.kind === 'nothing' && !given.offline
    ? readCredentialsOf(sources, given, isSecret ? text : '')
    : undefined
  const { sections, token } = await examinePresented({
    presented, credentials, subject, rows, nowMs, claims: given.claims, ...found(issuers)
  })
  const configuration: Section = { title: 'Configuration', checks: subject.checks }
  return { report: { sections: [configuration, ...issuers.map(({ section }) => section), ...sections], token }, noColour }
}

function examineIssuers (
  subject: Subject, sources: EnvironmentSources, rows: readonly AccessRow[] | undefined, nowMs: () => number
): Promise<IssuerFindings[]> {
  const proxies = proxyVariables(sources)
  const context = {
    proxies,
    usesProxies: subject.useEnvProxy || proxies.byNode,
    allowInsecureHttp: subject.allowInsecureHttp,
    developmentIssuer: subject.config?.developmentIssuer ?? false,
    scopes: rows === undefined ? undefined : scopesOf(rows),
    nowMs
  }
  return Promise.all(subject.issuers.map((settings) =>
    examineIssuer(settings, { ...context, timeoutMs: settings.keysFetchTimeoutSeconds * 1000 })))
}

interface Found {
  readonly keySetOf: (issuer: string) => KeySet | undefined
  /** Of the first issuer: there the client requests its token. */
  readonly discovery: Discovery | undefined
  readonly dated: boolean
}

function found (findings: readonly IssuerFindings[]): Found {
  const keySets = new Map(findings.map(({ issuer, keySet }) => [issuer, keySet]))
  return { keySetOf: (issuer) => keySets.get(issuer), discovery: findings[0]?.discovery, dated: findings[0]?.dated ?? false }
}
