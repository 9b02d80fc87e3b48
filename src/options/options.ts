import type { ScopeCatalogue } from '../oauth/access-policy.ts'
import {
  BINDING_OPTIONS, bindingProblems, bindingSettings, bindingWarnings, type BindingOptions, type BindingSettings
} from './binding-options.ts'
import { CHALLENGE_REALM, docsUrlProblem, publicUrlProblem, type Check } from './issuer-checks.ts'
import {
  ISSUER_OPTIONS, issuerProblems, issuerSettings, unknownOptions, type IssuerOptions, type IssuerSettings
} from './issuer-options.ts'
import { insecureWarning, issuerWarnings } from './issuer-warnings.ts'
import { quoteAddress } from './quote.ts'
import { isInRange, RANGES, rangeText } from './ranges.ts'

/** What concerns the guard and not one issuer. */
export interface GuardOptions extends BindingOptions {
  /** Every scope that a route may require, with a sentence each; a route that requires another stops the start. Default: any name. */
  readonly scopes?: ScopeCatalogue | undefined
  /** What a route without `config.auth` is: an error that stops the start (`refuse`, the default), or open to anyone (`public`). */
  readonly unlisted?: 'refuse' | 'public' | undefined
  /** `problem` (default): the response is an RFC 9457 problem. `throw`: the error handler of the host gets a `Refusal`. */
  readonly errors?: 'problem' | 'throw' | undefined
  /** Routes of plugins that cannot declare access: whoever composes the application vouches for them. `/docs/*`: everything below. */
  readonly trusted?: ReadonlyArray<{ readonly path: string, readonly methods?: readonly string[] }> | undefined
  /** `realm` of the challenge; default `scopegate`. */
  readonly challengeRealm?: string | undefined
  /** The address of this API as callers see it: challenges then name its protected resource metadata (RFC 9728). */
  readonly publicUrl?: string | undefined
  /** Where the folder docs/ is published: the `type` of a problem is a page of it. Default: `about:blank`. */
  readonly docsUrl?: string | undefined
  /** A longer token is refused: 1024 to 60000; default 15000. */
  readonly maxTokenBytes?: number | undefined
  /** Bound of the cache of verified tokens, which all issuers share: 0 (off) to 4096; default 32. */
  readonly tokenCacheMb?: number | undefined
  /** Accepts plain http to other hosts for issuer and keys; default false: an error. */
  readonly allowInsecureHttp?: boolean | undefined
  /** Keys are fetched through HTTP_PROXY and HTTPS_PROXY, but for NO_PROXY. Default: as Node itself is set (NODE_USE_ENV_PROXY=1). */
  readonly useEnvProxy?: boolean | undefined
  /** Receives the sentences that an operator should read at every start. Default: the log, at level warn. */
  readonly warn?: ((sentence: string) => void) | undefined
}

type OneIssuer = IssuerOptions & { readonly issuers?: undefined }
type SeveralIssuers = { readonly issuers: readonly IssuerOptions[] } & { readonly [name in keyof IssuerOptions]?: undefined }

/** One issuer (`issuer` and `audience` are required), or several in `issuers`. */
export type ScopegateOptions = GuardOptions & (OneIssuer | SeveralIssuers)

export interface ScopegateSettings extends BindingSettings {
  readonly issuers: readonly IssuerSettings[]
  readonly scopes: ScopeCatalogue | undefined
  readonly unlisted: 'refuse' | 'public'
  readonly errors: 'problem' | 'throw'
  readonly trusted: NonNullable<GuardOptions['trusted']>
  readonly challengeRealm: string
  readonly publicUrl: string | undefined
  readonly docsUrl: string | undefined
  readonly maxTokenBytes: number
  readonly tokenCacheBytes: number
  readonly useEnvProxy: boolean
  readonly warnings: readonly string[]
}

/** Everything that is wrong with the options of the plugin, one sentence for each problem. */
export class OptionsError extends Error {
  override readonly name = 'OptionsError'
  readonly problems: readonly string[]

  constructor (problems: readonly string[]) {
    super(
      `${problems.length === 1 ? 'an error' : `${problems.length} errors`} in the options of ` +
      `scopegate:\n${problems.map((problem) => `  ${problem}`).join('\n')}`
    )
    this.problems = problems
  }
}

export const GUARD_OPTIONS: readonly string[] = [
  'scopes', 'unlisted', 'errors', 'trusted', 'challengeRealm', 'publicUrl', 'docsUrl', 'maxTokenBytes', 'tokenCacheMb', 'allowInsecureHttp',
  'useEnvProxy', 'warn',
  ...BINDING_OPTIONS
]
/** Fastify's own, which it passes on to the plugin. */
const OF_FASTIFY = ['prefix', 'logLevel', 'logSerializers', 'encapsulate', 'name']
const INSECURE_SWITCH = 'allowInsecureHttp: true'

type Given = Readonly<Record<string, unknown>>

/** Options → settings with every default, or an OptionsError with all problems. Not checked: whether anything responds at an address. */
export function readOptions (options: ScopegateOptions): ScopegateSettings {
  const problems = optionProblems({ ...options })
  if (problems.length > 0) throw new OptionsError(problems)
  const issuers = (options.issuers ?? [options]).map(issuerSettings)
  return {
    issuers,
    scopes: options.scopes,
    unlisted: options.unlisted ?? 'refuse',
    errors: options.errors ?? 'problem',
    trusted: options.trusted ?? [],
    challengeRealm: options.challengeRealm ?? CHALLENGE_REALM.preset,
    publicUrl: options.publicUrl?.replace(/\/+$/, ''),
    docsUrl: options.docsUrl?.replace(/\/+$/, ''),
    maxTokenBytes: options.maxTokenBytes ?? RANGES.maxTokenBytes.preset,
    tokenCacheBytes: (options.tokenCacheMb ?? RANGES.tokenCacheMb.preset) * 1024 * 1024,
    useEnvProxy: options.useEnvProxy ?? false,
    ...bindingSettings(options),
    warnings: [...warningsOf(issuers), ...bindingWarnings(options)]
  }
}

function warningsOf (issuers: readonly IssuerSettings[]): string[] {
  return issuers.flatMap((settings, index) => {
    const at = issuers.length === 1 ? '' : `issuers[${index}].`
    const names = { issuer: `${at}issuer`, audience: `${at}audience`, jwksUrl: `${at}jwksUrl`, anyAudience: `${at}audience '*'` }
    const insecure = settings.keys === undefined
      ? insecureWarning({ [names.issuer]: settings.issuer, [names.jwksUrl]: settings.jwksUrl })
      : undefined
    return [...issuerWarnings(settings, names), ...insecure === undefined ? [] : [insecure]]
  })
}

function optionProblems (given: Given): string[] {
  const rules = { allowInsecureHttp: given.allowInsecureHttp === true, insecureSwitch: INSECURE_SWITCH }
  return [
    ...unknownOptions(given, [...ISSUER_OPTIONS, 'issuers', ...GUARD_OPTIONS, ...OF_FASTIFY], ''),
    ...given.issuers === undefined ? issuerProblems(given, '', rules) : listProblems(given, given.issuers, rules),
    ...guardProblems(given),
    ...bindingProblems(given)
  ]
}

function listProblems (given: Given, issuers: unknown, rules: Parameters<typeof issuerProblems>[2]): string[] {
  const beside =
    ISSUER_OPTIONS.filter((name) => given[name] !== undefined).map((name) => `${name}: stands in each issuer of issuers, not beside it`)
  return [...beside, ...issuerListProblems(issuers, 'issuers', rules)]
}

/** Everything that is wrong with a list of issuers: the option `issuers`, and the content of ISSUERS_FILE. */
export function issuerListProblems (issuers: unknown, name: string, rules: Parameters<typeof issuerProblems>[2]): string[] {
  if (!Array.isArray(issuers) || issuers.length === 0) return [`${name}: expected an array of one or more issuers, { issuer, audience }`]
  const problems = issuers.flatMap((one: unknown, index) => {
    const at = `${name}[${index}]`
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return [`${at}: expected an object, { issuer, audience }`]
    return [...unknownOptions(one as Given, ISSUER_OPTIONS, `${at}.`), ...issuerProblems(one as Given, `${at}.`, rules)]
  })
  const names = issuers.map((one: { issuer?: unknown } | null) => one?.issuer)
  const repeated = [...new Set(names.filter((issuer, index) => typeof issuer === 'string' && names.indexOf(issuer) !== index))]
  return [...problems, ...repeated.map((issuer) => `${name}: expected each issuer once, got ${quoteAddress(String(issuer))} twice`)]
}

function guardProblems (given: Given): string[] {
  const { unlisted, errors, trusted, scopes, challengeRealm, warn } = given
  const oneOf = (name: string, value: unknown, ...values: readonly string[]): string | undefined =>
    value === undefined || values.includes(value as string)
      ? undefined
      : `${name}: expected ${values.map((one) => `'${one}'`).join(' or ')}`
  const ranged = (name: 'maxTokenBytes' | 'tokenCacheMb'): string | undefined =>
    given[name] === undefined || isInRange(given[name], RANGES[name]) ? undefined : `${name}: expected ${rangeText(RANGES[name])}`
  const boolean = (name: string): string | undefined =>
    given[name] === undefined || typeof given[name] === 'boolean' ? undefined : `${name}: expected true or false`
  return [
    oneOf('unlisted', unlisted, 'refuse', 'public'),
    oneOf('errors', errors, 'problem', 'throw'),
    trusted === undefined || isTrusted(trusted)
      ? undefined
      : 'trusted: expected an array of { path, methods }, such as { path: \'/docs/*\' }',
    scopes === undefined || isCatalogue(scopes) ? undefined : 'scopes: expected an object, scope name → sentence',
    challengeRealm === undefined || (typeof challengeRealm === 'string' && CHALLENGE_REALM.pattern.test(challengeRealm))
      ? undefined
      : `challengeRealm: expected ${CHALLENGE_REALM.text}`,
    addressSentence('publicUrl', given.publicUrl, publicUrlProblem),
    addressSentence('docsUrl', given.docsUrl, docsUrlProblem),
    ranged('maxTokenBytes'),
    ranged('tokenCacheMb'),
    boolean('allowInsecureHttp'),
    boolean('useEnvProxy'),
    warn === undefined || typeof warn === 'function' ? undefined : 'warn: expected a function'
  ].filter((problem) => problem !== undefined)
}

function addressSentence (name: string, value: unknown, check: Check): string | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'string') return `${name}: expected a string`
  const problem = check(value, {})
  return problem === undefined ? undefined : `${name}: expected ${problem}, got ${quoteAddress(value)}`
}

function isTrusted (trusted: unknown): boolean {
  return Array.isArray(trusted) && trusted.every((one: { path?: unknown, methods?: unknown } | null) =>
    typeof one?.path === 'string' &&
    one.path.startsWith('/') &&
    Object.keys(one).every((member) => member === 'path' || member === 'methods') &&
    (one.methods === undefined || (Array.isArray(one.methods) && one.methods.every((method) => typeof method === 'string'))))
}

function isCatalogue (scopes: unknown): boolean {
  return typeof scopes === 'object' &&
    scopes !== null &&
    !Array.isArray(scopes) &&
    Object.values(scopes).every((sentence) => typeof sentence === 'string')
}
