import type { Algorithm } from './algorithms.ts'
import { InvalidToken } from './errors.ts'
import { printable } from './printable.ts'
import type { Claims } from './principal.ts'
import type { TokenReason } from './reasons.ts'
import { readJsonPart } from './strict-json.ts'

/** What a token must say to be one for this API. Times in seconds. */
export interface Expectations {
  readonly issuer: string
  readonly audience: readonly string[] | 'any'
  readonly algorithms: readonly Algorithm[]
  readonly tokenKind: 'keycloak' | 'at+jwt'
  readonly clockToleranceSeconds: number
  readonly maxTokenLifetimeSeconds: number
  readonly maxTokenBytes: number
}

/** Where several issuers are trusted: what a token with this `iss` (of any type) must contain, and the longest token of them all. */
export interface ExpectationsByIssuer {
  readonly maxTokenBytes: number
  expectationsOf: (iss: unknown) => Expectations
}

/** A token as read; nothing of it is proven before its signature is. */
export interface AccessToken {
  readonly header: { readonly alg: Algorithm, readonly kid: string }
  readonly claims: Claims
}

/** One rule of the reader. `check` gives what is wrong, in words for the log (never a whole token), or undefined. */
export interface Rule {
  readonly reason: TokenReason
  readonly check: (token: Unproven, expected: Expectations, nowSeconds: number) => string | undefined
}

interface Unproven {
  readonly header: Readonly<Record<string, unknown>>
  readonly claims: Readonly<Record<string, unknown>>
}

const MAX_KID_LENGTH = 255
/** 9999-12-31T23:59:59Z: the last date that every library can print. */
const LAST_DATE = 253_402_300_799

/**
 * Text → header and claims of an access token for us, or InvalidToken with the first rule that fails. Cheap, strict, before any key
 * is asked for. Not checked here: that the key exists and fits, and the signature.
 */
export function readAccessToken (text: string, expectations: Expectations | ExpectationsByIssuer, nowSeconds: number): AccessToken {
  const token = decode(text, expectations)
  if ('reason' in token) throw new InvalidToken(token.reason, token.detail)
  const expected = 'expectationsOf' in expectations ? expectations.expectationsOf(token.claims.iss) : expectations
  for (const { reason, check } of RULES) {
    const wrong = check(token, expected, nowSeconds)
    if (wrong !== undefined) throw new InvalidToken(reason, wrong)
  }
  return withSharedTexts(token, expected) as unknown as AccessToken
}

/** The cache keeps thousands of tokens: texts that are equal anyway are kept once. */
function withSharedTexts ({ header, claims }: Unproven, { issuer }: Expectations): Unproven {
  const shared = claims as Record<string, unknown>
  shared.iss = issuer
  if (shared.client_id === shared.azp && shared.azp !== undefined) shared.client_id = shared.azp
  return { header, claims }
}

/** A rule that a token breaks, and what is wrong, in words for a person. */
export interface Finding {
  readonly reason: TokenReason
  readonly detail: string
}

/** The same rules, all of them, for a tool that explains a token: each fault with its reason. A text that cannot be decoded has one. */
export function examineAccessToken (text: string, expected: Expectations, nowSeconds: number): readonly Finding[] {
  const token = decode(text, expected)
  if ('reason' in token) return [token]
  return RULES.flatMap(({ reason, check }) => {
    const detail = check(token, expected, nowSeconds)
    return detail === undefined ? [] : [{ reason, detail }]
  })
}

function decode (text: string, { maxTokenBytes }: Pick<Expectations, 'maxTokenBytes'>): Unproven | Finding {
  if (text.length > maxTokenBytes) return { reason: 'token_too_large', detail: `${text.length} characters` }
  const parts = text.split('.', 6)
  if (parts.length === 5) return { reason: 'token_encrypted', detail: 'five parts: a JWE' }
  const [head = '', body = '', signature = ''] = parts
  if (parts.length !== 3 || head === '' || body === '' || signature === '') return { reason: 'not_three_parts', detail: `${parts.length} parts` }
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) return { reason: 'not_base64url', detail: 'signature' }
  const header = readJsonPart(head)
  if (typeof header === 'string') return { reason: header, detail: 'header' }
  const claims = readJsonPart(body)
  return typeof claims === 'string' ? { reason: claims, detail: 'payload' } : { header, claims }
}

/** Members that would let a token bring its own key or change how it is read (RFC 7515 §4.1, RFC 7797, RFC 8725 §3.10). */
const FORBIDDEN_MEMBERS = ['crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u', 'x5c']
const STRING_CLAIMS = ['iss', 'sub', 'azp', 'client_id', 'jti', 'typ', 'sid'] as const
const DATE_CLAIMS = ['exp', 'iat', 'nbf', 'auth_time'] as const
/** Beside `aud`, whose rule says more. */
const REQUIRED = ['iss', 'exp']
/** RFC 9068 §2.2. */
const REQUIRED_BY_RFC_9068 = [...REQUIRED, 'sub', 'client_id', 'iat', 'jti']

/** In the order in which they are asked. A rule may rely on those before it. */
export const RULES: readonly Rule[] = [
  {
    reason: 'header_not_allowed',
    check: ({ header }) => {
      const member = FORBIDDEN_MEMBERS.find((name) => Object.hasOwn(header, name))
      return member === undefined ? undefined : `header ${member}`
    }
  },
  {
    reason: 'algorithm_not_allowed',
    check: ({ header: { alg } }, { algorithms }) => (algorithms as readonly unknown[]).includes(alg) ? undefined : `alg ${printable(alg)}`
  },
  {
    reason: 'kid_missing',
    check: ({ header: { kid } }) => typeof kid === 'string' && kid !== '' && kid.length <= MAX_KID_LENGTH ? undefined : 'kid'
  },
  { reason: 'wrong_header_type', check: ({ header: { typ } }, { tokenKind }) => isHeaderType(typ, tokenKind) ? undefined : `header typ ${printable(typ)}` },
  {
    reason: 'claim_missing',
    check: ({ claims }, { tokenKind }) => (tokenKind === 'at+jwt' ? REQUIRED_BY_RFC_9068 : REQUIRED).find((name) => !Object.hasOwn(claims, name))
  },
  { reason: 'claim_type', check: ({ claims }) => mistypedClaim(claims) },
  { reason: 'scope_malformed', check: ({ claims: { scope } }) => scope === undefined || isScope(scope) ? undefined : 'scope' },
  { reason: 'issuer_mismatch', check: ({ claims: { iss } }, { issuer }) => iss === issuer ? undefined : `iss ${printable(iss)}` },
  {
    reason: 'confirmation_unsupported',
    check: ({ claims: { cnf } }) => {
      const members = cnf === undefined ? [] : Object.keys(cnf as object)
      return members.length === 0 ? undefined : `cnf ${members.map(printable).join(' ')}`
    }
  },
  { reason: 'wrong_kind', check: ({ claims: { typ } }, { tokenKind }) => isAccessTokenKind(typ, tokenKind) ? undefined : `payload typ ${printable(typ)}` },
  {
    reason: 'audience_mismatch',
    check: ({ claims: { aud } }, { audience }) => audience === 'any' || namesUs(aud as string[] | undefined, audience) ? undefined : `aud ${printable(aud)}`
  },
  {
    reason: 'expired',
    check: ({ claims }, { clockToleranceSeconds }, now) => now < (claims.exp as number) + clockToleranceSeconds ? undefined : `exp ${printable(claims.exp)}`
  },
  {
    reason: 'not_yet_valid',
    check: ({ claims: { nbf } }, { clockToleranceSeconds }, now) => isInFuture(nbf, now + clockToleranceSeconds) ? `nbf ${printable(nbf)}` : undefined
  },
  {
    reason: 'issued_in_future',
    check: ({ claims: { iat } }, { clockToleranceSeconds }, now) => isInFuture(iat, now + clockToleranceSeconds) ? `iat ${printable(iat)}` : undefined
  },
  {
    reason: 'lifetime_too_long',
    check: ({ claims: { exp } }, { clockToleranceSeconds, maxTokenLifetimeSeconds }, now) =>
      isInFuture(exp, now + maxTokenLifetimeSeconds + clockToleranceSeconds) ? `exp ${printable(exp)}` : undefined
  }
]

/** Media types are compared without regard to case, with or without `application/` (RFC 7515 §4.1.9). */
function isHeaderType (typ: unknown, tokenKind: Expectations['tokenKind']): boolean {
  if (typ === undefined) return tokenKind === 'keycloak'
  if (typeof typ !== 'string') return false
  const type = typ.toLowerCase().replace(/^application\//, '')
  return type === 'at+jwt' || (tokenKind === 'keycloak' && type === 'jwt')
}

/** Keycloak signs ID, logout and userinfo tokens with the same key; the payload's `typ` is what tells them from access tokens. */
function isAccessTokenKind (typ: unknown, tokenKind: Expectations['tokenKind']): boolean {
  return typ === 'Bearer' || typ === 'bearer' || (tokenKind === 'at+jwt' && typ === undefined)
}

function namesUs (aud: string | readonly string[] | undefined, audience: readonly string[]): boolean {
  if (aud === undefined) return false
  return typeof aud === 'string' ? audience.includes(aud) : aud.some((name) => audience.includes(name))
}

function isInFuture (date: unknown, limit: number): boolean {
  return date !== undefined && (date as number) > limit
}

/** RFC 6749 §3.3: words of printable ASCII without quote and backslash, single spaces between them. Keycloak sends "" for none. */
function isScope (scope: unknown): boolean {
  return typeof scope === 'string' && (scope === '' || /^[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*$/.test(scope))
}

function mistypedClaim (claims: Readonly<Record<string, unknown>>): string | undefined {
  for (const name of STRING_CLAIMS) if (claims[name] !== undefined && typeof claims[name] !== 'string') return name
  for (const name of DATE_CLAIMS) if (claims[name] !== undefined && !isDate(claims[name])) return name
  const { aud, cnf, realm_access: realmAccess, resource_access: resourceAccess } = claims
  if (aud !== undefined && typeof aud !== 'string' && !isStrings(aud)) return 'aud'
  if (cnf !== undefined && !isObject(cnf)) return 'cnf'
  if (realmAccess !== undefined && !isRoles(realmAccess)) return 'realm_access'
  if (resourceAccess !== undefined && !(isObject(resourceAccess) && Object.values(resourceAccess).every(isRoles))) return 'resource_access'
  return undefined
}

function isDate (value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= LAST_DATE
}

function isRoles (value: unknown): boolean {
  return isObject(value) && (value.roles === undefined || isStrings(value.roles))
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isStrings (value: unknown): boolean {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}
