import type { Algorithm } from './algorithms.ts'
import { copiedText } from './copied-text.ts'
import { InvalidToken, type Unavailable } from './errors.ts'
import { printable, printableText } from './printable.ts'
import type { Claims } from './principal.ts'
import { mistakenToken } from './reasons/mistaken-token.ts'
import type { Evidence, TokenReason } from './reasons.ts'
import { CLAIM_RULES } from './rules/claims.ts'
import { DATE_RULES } from './rules/dates.ts'
import { HEADER_RULES } from './rules/header.ts'
import { problem, type Expectations, type Problem, type Rule, type Unproven } from './rules/rule.ts'
import { duplicateMember, isBase64url, readJsonPart, type PartFault } from './strict-json.ts'

export type { Expectations, Rule } from './rules/rule.ts'

/** Where several issuers are trusted: what a token with this `iss` (of any type) must contain, and the longest token of them all. */
export interface ExpectationsByIssuer {
  readonly maxTokenBytes: number
  expectationsOf: (iss: unknown) => Expectations
  /** While no key of any issuer is known: the refusal in place of every rule that a token breaks, whoever issued it. */
  refusalWithoutKeys: () => Unavailable | undefined
}

/** A token as read; nothing of it is proven before its signature is. */
export interface AccessToken {
  readonly header: { readonly alg: Algorithm, readonly kid: string }
  readonly claims: Claims
}

/** A rule that a token breaks, what is wrong in words for a person, and what the hint can use. */
export interface Finding extends Problem {
  readonly reason: TokenReason
}

/** In the order of the checks: the service stops at the first that fails. None throws, whatever the types are. */
export const RULES: readonly Rule[] = [...HEADER_RULES, ...CLAIM_RULES, ...DATE_RULES]

/**
 * Text → header and claims of an access token for this API, or InvalidToken with the first rule that fails. Cheap, strict, before any
 * key is fetched. With several issuers, the expectations are those of the exact `iss`. While no key is known, a token that can be decoded
 * is never blamed: it gets Unavailable, as every token does (the cause may be a wrong ISSUER, which makes all good tokens foreign). What is
 * not a token at all remains InvalidToken: no key would change that.
 * Not checked here: that the key exists and fits, and the signature.
 */
export function readAccessToken (text: string, expectations: Expectations | ExpectationsByIssuer, nowSeconds: number): AccessToken {
  const token = decode(text, expectations)
  if ('reason' in token) throw new InvalidToken(token.reason, token.detail, token.evidence)
  const expected = 'expectationsOf' in expectations ? expectations.expectationsOf(token.claims.iss) : expectations
  for (const { reason, check } of RULES) {
    const wrong = check(token, expected, nowSeconds)
    if (wrong === undefined) continue
    const refusal = new InvalidToken(reason, wrong.detail, { ...evidenceOf(token.claims, expected), ...wrong.evidence })
    throw ('refusalWithoutKeys' in expectations ? expectations.refusalWithoutKeys()?.inPlaceOf(refusal) : undefined) ?? refusal
  }
  return withSharedTexts(token, expected)
}

/** What a token says of its client, not verified, and the settings of its issuer: for the log line and the hint of a refusal. */
export function evidenceOf ({ azp, client_id: clientId }: Unproven['claims'], settings: Expectations): Evidence {
  const client = azp ?? clientId
  return {
    settings, ...client !== undefined && { unverifiedClient: typeof client === 'string' ? printableText(client) : printable(client) }
  }
}

/** The cache keeps thousands of tokens: texts that are equal anyway are kept once. The rules have checked the types. */
function withSharedTexts ({ header, claims }: Unproven, { issuer }: Expectations): AccessToken {
  const shared = claims as Record<string, unknown>
  shared.iss = issuer
  if (shared.client_id === shared.azp && shared.azp !== undefined) shared.client_id = shared.azp
  return { header: header as AccessToken['header'], claims: shared as Claims }
}

type Examined = Pick<ExpectationsByIssuer, 'maxTokenBytes' | 'expectationsOf'>

/** What a tool finds in a token. */
export interface Examination {
  /** Undefined where the text cannot be decoded. Nothing of it is proven. */
  readonly token: Unproven | undefined
  readonly expected: Expectations
  readonly findings: readonly Finding[]
}

/** The same rules, all of them, for a tool that explains a token: each problem with its reason. A text that cannot be decoded has one. */
export function examineAccessToken (text: string, expectations: Expectations | Examined, nowSeconds: number): Examination {
  const expectedOf = (iss: unknown): Expectations => 'expectationsOf' in expectations ? expectations.expectationsOf(iss) : expectations
  const token = decode(text, expectations)
  if ('reason' in token) return { token: undefined, expected: expectedOf(undefined), findings: [token] }
  const expected = expectedOf(token.claims.iss)
  const findings = RULES.flatMap(({ reason, check }) => {
    const wrong = check(token, expected, nowSeconds)
    return wrong === undefined ? [] : [{ reason, ...wrong }]
  })
  return { token, expected, findings }
}

function decode (text: string, { maxTokenBytes }: Pick<Expectations, 'maxTokenBytes'>): Unproven | Finding {
  if (text.length > maxTokenBytes) return { reason: 'token_too_large', detail: `${text.length} characters` }
  const parts = text.split('.', 6)
  if (parts.length === 5) return { reason: 'token_encrypted', detail: 'five parts: a JWE' }
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3 || head === '' || body === '' || signature === '') {
    return { reason: 'not_three_parts', ...notThreeParts(text, parts.length) }
  }
  if (!isBase64url(signature)) return { reason: 'not_base64url', detail: 'signature' }
  const header = readHeader(head)
  if (typeof header === 'string') return findingIn('header', head, header)
  const claims = readJsonPart(body)
  return typeof claims === 'string' ? findingIn('payload', body, claims) : { header, claims }
}

/** All tokens of a key have the same header: it is read once. */
const headers = new Map<string, Readonly<Record<string, unknown>>>()
const HEADERS = 64
const LONGEST_HEADER = 512

function readHeader (part: string): Readonly<Record<string, unknown>> | PartFault {
  const known = headers.get(part)
  if (known !== undefined) return known
  const header = readJsonPart(part)
  if (typeof header === 'string' || part.length > LONGEST_HEADER) return header
  if (headers.size === HEADERS) headers.clear()
  headers.set(copiedText(part), header)
  return header
}

function notThreeParts (text: string, count: number): Problem {
  const mistake = mistakenToken(text)
  return problem(count === 1 ? '1 part' : `${count === 6 ? 'more than 5' : count} parts`, mistake === undefined ? undefined : { mistake })
}

function findingIn (name: 'header' | 'payload', part: string, reason: TokenReason): Finding {
  if (reason !== 'duplicate_member') return { reason, detail: name }
  const path = duplicateMember(part)
  return { reason, detail: `${name} ${printableText(path.join('.'))}`, evidence: { path: name === 'header' ? [] : path } }
}
