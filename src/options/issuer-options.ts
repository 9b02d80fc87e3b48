import type { AddressRules } from '../http/addresses.ts'
import type { StaticKeys } from '../oauth/key-set-source.ts'
import { ALGORITHMS, isAlgorithm, type Algorithm } from '../oauth/algorithms.ts'
import { nearMiss } from '../oauth/near-miss.ts'
import {
  audienceProblems, claimOf, issuerAddressProblem, keySetAddressProblem, serviceClaimProblem, type Check, type ServiceClaim
} from './issuer-checks.ts'
import { quote, quoteAddress } from './quote.ts'
import { isInRange, RANGES, rangeText, type RangedOption } from './ranges.ts'

export type { JwkSet } from '../oauth/key-set-source.ts'

/** One issuer whose tokens are accepted. Nothing of it is ever taken from a token. */
export interface IssuerOptions {
  /** The exact `iss` of the tokens: https://sso.example.com/realms/myorg */
  readonly issuer: string
  /** The name of this API in `aud`, or several names, of which a token must have one. `'*'`: any audience, and none. */
  readonly audience: string | readonly string[]
  /** Where the key set is fetched. Default: `<issuer>/protocol/openid-connect/certs`, as Keycloak has it. */
  readonly jwksUrl?: string | undefined
  /**
   * The key set itself, or a function that returns it: nothing is fetched over the network. For tests, and for issuers that
   * publish none.
   */
  readonly keys?: StaticKeys | undefined
  /** Default: RS256 alone. */
  readonly algorithms?: readonly Algorithm[] | undefined
  /** `keycloak` (default), or `at+jwt`: RFC 9068 strictly. */
  readonly tokenKind?: 'keycloak' | 'at+jwt' | undefined
  /** 0 to 60; default 5. */
  readonly clockToleranceSeconds?: number | undefined
  /** A token that ends later than this from now is refused; default 86400. */
  readonly maxTokenLifetimeSeconds?: number | undefined
  /** 1 to 3600; default 60. */
  readonly keysRefreshSeconds?: number | undefined
  /** How long known keys remain valid while the issuer is unreachable: 0 to 720; default 24. */
  readonly keysMaxStaleHours?: number | undefined
  /** One fetch of the key set in all: 1 to 30; default 5. */
  readonly keysFetchTimeoutSeconds?: number | undefined
  /** `name=value` of a claim that proves a service; compared exactly. */
  readonly serviceClaim?: string | undefined
}

/** An issuer as read: every default filled in. Times in seconds. */
export interface IssuerSettings {
  readonly issuer: string
  readonly audience: readonly string[] | 'any'
  readonly jwksUrl: string
  readonly keys: IssuerOptions['keys']
  readonly algorithms: readonly Algorithm[]
  readonly tokenKind: 'keycloak' | 'at+jwt'
  readonly clockToleranceSeconds: number
  readonly maxTokenLifetimeSeconds: number
  readonly keysRefreshSeconds: number
  readonly keysMaxStaleHours: number
  readonly keysFetchTimeoutSeconds: number
  readonly serviceClaim: ServiceClaim | undefined
}

const NUMBERS = [
  'clockToleranceSeconds', 'maxTokenLifetimeSeconds', 'keysRefreshSeconds', 'keysMaxStaleHours', 'keysFetchTimeoutSeconds'
] as const satisfies readonly RangedOption[]

export const ISSUER_OPTIONS: readonly string[] = [
  'issuer', 'audience', 'jwksUrl', 'keys', 'algorithms', 'tokenKind', ...NUMBERS, 'serviceClaim'
]

type Given = Readonly<Record<string, unknown>>

/** Everything that is wrong with one issuer, a sentence each. `at` is put before the name of the option: `issuers[1].`. */
export function issuerProblems (given: Given, at: string, rules: AddressRules): string[] {
  const problems = [
    text('issuer', given.issuer, issuerAddressProblem, rules),
    ...audienceSentences(given.audience),
    given.jwksUrl === undefined ? undefined : text('jwksUrl', given.jwksUrl, keySetAddressProblem, rules),
    given.keys !== undefined && given.jwksUrl !== undefined ? 'keys: expected either keys or jwksUrl' : keysProblem(given.keys),
    algorithmsProblem(given.algorithms),
    ['keycloak', 'at+jwt', undefined].includes(given.tokenKind as undefined) ? undefined : `tokenKind: expected 'keycloak' or 'at+jwt'`,
    ...NUMBERS.map((name) => given[name] === undefined || isInRange(given[name], RANGES[name])
      ? undefined
      : `${name}: expected ${rangeText(RANGES[name])}`),
    claimSentence(given.serviceClaim)
  ]
  return problems.filter((problem) => problem !== undefined).map((problem) => `${at}${problem}`)
}

function text (name: string, value: unknown, check: Check, rules: AddressRules): string | undefined {
  if (typeof value !== 'string') return `${name}: expected a string${value === undefined ? ', and it is required' : ''}`
  const problem = check(value, rules)
  return problem === undefined ? undefined : `${name}: expected ${problem}, got ${quoteAddress(value)}`
}

function audienceSentences (value: unknown): string[] {
  if (value === undefined) {
    return [
      'audience: required: the name by which tokens name this API in aud (for Keycloak the client that an audience mapper names); ' +
      '\'*\' accepts any or none'
    ]
  }
  const names = [value].flat()
  if (!names.every((name) => typeof name === 'string')) return ['audience: expected a name, or an array of names']
  return audienceProblems(names).map((problem) => `audience: ${problem}`)
}

function keysProblem (keys: unknown): string | undefined {
  if (keys === undefined || typeof keys === 'function') return undefined
  const isSet = typeof keys === 'object' && keys !== null && 'keys' in keys && Array.isArray(keys.keys)
  if (!isSet) return 'keys: expected a JWK Set, { keys: [...] }, or a function that returns one'
  return (keys.keys as readonly unknown[]).length === 0 ? 'keys: expected a JWK Set with at least one key' : undefined
}

function algorithmsProblem (algorithms: unknown): string | undefined {
  if (algorithms === undefined || (Array.isArray(algorithms) && algorithms.length > 0 && algorithms.every(isAlgorithm))) return undefined
  return `algorithms: expected an array of one or more of ${ALGORITHMS.join(' ')} (asymmetric only)`
}

function claimSentence (pair: unknown): string | undefined {
  if (pair === undefined) return undefined
  const problem = typeof pair === 'string' ? serviceClaimProblem(pair) : 'expected a string, name=value'
  return problem === undefined ? undefined : `serviceClaim: ${problem}`
}

/** Options without problems → settings. */
export function issuerSettings (options: IssuerOptions): IssuerSettings {
  const { issuer, serviceClaim } = options
  const audience = [...new Set([options.audience].flat())]
  const number = (name: typeof NUMBERS[number]): number => options[name] ?? RANGES[name].preset
  return {
    issuer,
    audience: audience.includes('*') ? 'any' : audience,
    jwksUrl: options.jwksUrl ?? keycloakKeys(issuer),
    keys: options.keys,
    algorithms: [...options.algorithms ?? ['RS256']],
    tokenKind: options.tokenKind ?? 'keycloak',
    clockToleranceSeconds: number('clockToleranceSeconds'),
    maxTokenLifetimeSeconds: number('maxTokenLifetimeSeconds'),
    keysRefreshSeconds: number('keysRefreshSeconds'),
    keysMaxStaleHours: number('keysMaxStaleHours'),
    keysFetchTimeoutSeconds: number('keysFetchTimeoutSeconds'),
    serviceClaim: serviceClaim === undefined ? undefined : claimOf(serviceClaim)
  }
}

/** Where a Keycloak realm publishes its keys. */
export function keycloakKeys (issuer: string): string {
  return `${issuer.replace(/\/$/, '')}/protocol/openid-connect/certs`
}

/** One sentence for each name that is not an option. */
export function unknownOptions (given: Given, known: readonly string[], at: string): string[] {
  return Object.keys(given).filter((name) => !known.includes(name)).map((name) => {
    const meant = nearMiss(name, known)
    return `${at}${quote(name).slice(1, -1)}: is not an option${meant === undefined ? '' : `; did you mean ${meant}?`}`
  })
}
