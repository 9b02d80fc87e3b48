import { examineAccessToken, RULES, type Examination, type Expectations, type Finding } from '../../oauth/access-token.ts'
import { schemesOf, type AcceptedBindings } from '../../oauth/challenge.ts'
import { keyName, type KeySet } from '../../oauth/key-set.ts'
import { printable } from '../../oauth/printable.ts'
import { principalOf, type Claims, type IssuerProofs, type Principal } from '../../oauth/principal.ts'
import { REASONS, type Evidence, type ProofReason, type ReasonContext, type TokenReason } from '../../oauth/reasons.ts'
import { isDate, type Unproven } from '../../oauth/rules/rule.ts'
import { bindingChecks, type Presentation } from './binding.ts'
import { failed, ok, skipped, type Check } from './check.ts'
import { isSignedWith } from './signature.ts'

/** One issuer that the service trusts: what its tokens must contain, and where its keys are. */
export type Trusted = Expectations & IssuerProofs & { readonly jwksUrl: string }

/** What a token is held against. The first issuer stands for a token that names none of them. */
export interface TokenContext {
  readonly issuers: readonly Trusted[]
  readonly developmentIssuer?: boolean
  /** None by default. */
  readonly bindings?: AcceptedBindings
  readonly presentation?: Presentation | undefined
  readonly nowSeconds: number
  /** The key set of an issuer as fetched; undefined: it was not fetched, and key and signature are not checked. */
  readonly keySetOf?: (issuer: string) => KeySet | undefined
}

/** A token held against every rule, in the order in which the service checks them. */
export interface TokenReport {
  readonly checks: readonly Check[]
  /** The reason that the service gives: it stops at the first. Undefined: none was found. */
  readonly reason: TokenReason | ProofReason | undefined
  /** Whether key and signature were checked too. */
  readonly complete: boolean
  /** What an access token says of its caller; undefined where it cannot be read. Not verified unless the token is accepted. */
  readonly principal: Principal | undefined
  /** Header and claims, for `--claims`. */
  readonly decoded: Examination['token']
  /** For the hints of routes. */
  readonly settings: ReasonContext
}

/** What a token that keeps the rule has; a rule without words is called by its reason. */
const KEPT: Readonly<Partial<Record<string, string>>> = {
  header_not_allowed: 'the header contains no key, no address of a key and no extension',
  algorithm_not_allowed: 'alg is one of ALGORITHMS',
  kid_missing: 'the header names a key (kid)',
  wrong_header_type: 'typ of the header is that of an access token',
  claim_missing: 'the required claims are there',
  claim_type: 'the claims have the types of the standards',
  scope_malformed: 'scope is absent, or words with single spaces between them',
  issuer_mismatch: 'iss is a trusted issuer',
  confirmation_unsupported: 'the token is bound to no key (cnf), or to one that this service checks',
  wrong_kind: 'typ of the payload is that of an access token',
  audience_mismatch: 'aud names this API',
  expired: 'exp is in the future',
  not_yet_valid: 'nbf is absent or in the past',
  issued_in_future: 'iat is absent or in the past',
  lifetime_too_long: 'exp is within MAX_TOKEN_LIFETIME_SECONDS'
}

/** The rules that compare a date: of what is not a date nothing can be said but that. */
const DATES: Readonly<Partial<Record<string, 'exp' | 'nbf' | 'iat'>>> = {
  expired: 'exp', not_yet_valid: 'nbf', issued_in_future: 'iat', lifetime_too_long: 'exp'
}

const NO_PRINCIPAL: ReadonlySet<string> = new Set<TokenReason>(['claim_type', 'scope_malformed', 'wrong_kind'])

/**
 * Holds a token against the rules of the service, all of them. Pure: nothing is fetched, and nothing of the token is in the result but
 * the value that breaks a rule (short and printable), the principal and what `--claims` shows.
 */
export function examineToken (text: string, context: TokenContext): TokenReport {
  const examination = examineAccessToken(text, expectationsOf(context.issuers), context.nowSeconds)
  const { token, findings } = examination
  const expected = examination.expected as Trusted
  const settings = settingsOf(expected, context)
  const rules = token === undefined
    ? findings.map((finding) => broken(finding, settings))
    : [ok('token_form', 'three parts in base64url, with JSON objects in them'), ...ruleChecks(token.claims, findings, settings)]
  const keys = token === undefined ? [] : keyChecks(text, token, expected, findings, settings, context.keySetOf?.(expected.issuer))
  const { presentation } = context
  const binding = token === undefined ? [] : bindingChecks(token.claims, findings, { presentation, settings })
  const checks = [...rules, ...keys, ...binding]
  return {
    checks,
    reason: checks.find(({ status }) => status === 'failed')?.name as TokenReason | ProofReason | undefined,
    complete: keys.length > 0 && keys.every(({ status }) => status === 'ok'),
    principal: token === undefined || findings.some(({ reason }) => NO_PRINCIPAL.has(reason))
      ? undefined
      : principalOf(structuredClone(token.claims) as Claims, expected),
    decoded: token,
    settings
  }
}

function expectationsOf (issuers: readonly Trusted[]): Parameters<typeof examineAccessToken>[1] {
  const stranger = { ...issuers[0] as Trusted, algorithms: [...new Set(issuers.flatMap(({ algorithms }) => algorithms))] }
  return {
    maxTokenBytes: Math.max(...issuers.map(({ maxTokenBytes }) => maxTokenBytes)),
    expectationsOf: (iss) => issuers.find(({ issuer }) => issuer === iss) ?? stranger
  }
}

function settingsOf (expected: Trusted, { issuers, developmentIssuer = false, bindings }: TokenContext): ReasonContext {
  const { issuer, audience, algorithms, jwksUrl, tokenKind, maxTokenBytes } = expected
  return {
    issuer, audience, algorithms, jwksUrl, tokenKind, maxTokenBytes, developmentIssuer, issuers: issuers.map((one) => one.issuer),
    bindings, schemes: schemesOf(bindings, false)
  }
}

/** The audience of another kind of token is its client, and no advice for that of access tokens follows from it. */
function ruleChecks (claims: Unproven['claims'], findings: readonly Finding[], settings: ReasonContext): Check[] {
  const isOther = findings.some(({ reason }) => reason === 'wrong_kind')
  return RULES.map(({ reason }) => {
    const finding = findings.find((one) => one.reason === reason)
    if (finding !== undefined && isOther && reason === 'audience_mismatch') {
      return skipped(reason, keptTitle(reason, settings), 'It is another kind of token: its audience is the client.')
    }
    const date = DATES[reason]
    if (finding !== undefined && date !== undefined && !isDate(claims[date])) {
      return skipped(reason, keptTitle(reason, settings), `${date} is ${Object.hasOwn(claims, date) ? 'not a date' : 'absent'}.`)
    }
    return finding === undefined ? ok(reason, keptTitle(reason, settings)) : broken(finding, settings)
  })
}

function keptTitle (reason: TokenReason, { audience }: ReasonContext): string {
  if (reason === 'audience_mismatch' && audience === 'any') return 'any audience is accepted (AUDIENCE=*)'
  return KEPT[reason] ?? reason.replaceAll('_', ' ')
}

function broken ({ reason, detail, evidence }: Finding, settings: ReasonContext): Check {
  return brokenRule(reason, detail, { ...settings, ...evidence })
}

function brokenRule (reason: TokenReason, cause: string, context: ReasonContext & Evidence): Check {
  const { sentence, fix } = REASONS[reason]
  return failed(reason, sentence, { cause, fix: fix({ ...context, ...context.settings }) })
}

function keyChecks (
  text: string, { header: { kid, alg } }: NonNullable<Examination['token']>, { issuer }: Trusted,
  findings: readonly Finding[], settings: ReasonContext, keySet: KeySet | undefined
): Check[] {
  const names = { key: 'the key set of the issuer lists the key', signature: 'the signature was made with this key' }
  const both = (cause: string): Check[] => [skipped('key_unknown', names.key, cause), skipped('signature_invalid', names.signature, cause)]
  const has = (...reasons: readonly TokenReason[]): boolean => findings.some(({ reason }) => reasons.includes(reason))
  if (has('kid_missing', 'algorithm_not_allowed')) return both('The header names no key of this issuer.')
  if (keySet === undefined) return both('The key set was not fetched.')
  const key = keySet.keys.get(keyName(String(kid), String(alg)))
  const isStranger = has('issuer_mismatch')
  if (key === undefined) {
    if (isStranger) return both(`The key set of ${issuer} does not list the key, as is to be expected of a token of another issuer.`)
    const others = [...keySet.keys.values()].filter((one) => one.kid === kid).map((one) => one.alg)
    const [reason, detail] = others.length === 0
      ? ['key_unknown', `kid ${printable(kid)}`] as const
      : ['algorithm_mismatch', `alg ${printable(alg)}, the key ${printable(kid)} is for ${others.join(' ')}`] as const
    return [brokenRule(reason, detail, settings), skipped('signature_invalid', names.signature, 'The key is not known.')]
  }
  const same = isStranger ? { cause: `It is a key of ${issuer}: the same realm under another name.` } : {}
  return [
    ok('key_unknown', names.key, same),
    isSignedWith(text, key) ? ok('signature_invalid', names.signature) : brokenRule('signature_invalid', `kid ${printable(kid)}`, settings)
  ]
}
