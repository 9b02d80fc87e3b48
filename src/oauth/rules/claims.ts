import { isConfirmable } from '../confirmation.ts'
import { printable, printableText } from '../printable.ts'
import { isDate, isObject, isStrings, problem, type Expectations, type Problem, type Rule, type Unproven } from './rule.ts'

const STRING_CLAIMS = ['iss', 'sub', 'azp', 'client_id', 'jti', 'typ', 'sid'] as const
const DATE_CLAIMS = ['exp', 'iat', 'nbf', 'auth_time'] as const
/** `aud` has a rule of its own, which says more. */
const REQUIRED = ['iss', 'exp']
/** RFC 9068 §2.2. */
const REQUIRED_BY_RFC_9068 = [...REQUIRED, 'sub', 'client_id', 'iat', 'jti']

/** The rules for what claims are, in the order of the checks. */
export const CLAIM_RULES: readonly Rule[] = [
  {
    reason: 'claim_missing',
    check: ({ claims }, { tokenKind }) => {
      const missing = (tokenKind === 'at+jwt' ? REQUIRED_BY_RFC_9068 : REQUIRED).find((name) => !Object.hasOwn(claims, name))
      return missing === undefined ? undefined : problem(missing)
    }
  },
  {
    reason: 'claim_type',
    check: ({ claims }) => {
      const mistyped = mistypedClaim(claims)
      return mistyped === undefined ? undefined : problem(mistyped)
    }
  },
  {
    reason: 'scope_malformed',
    check: ({ claims: { scope } }) => scope === undefined || isScope(scope) ? undefined : problem(`scope ${printable(scope)}`)
  },
  {
    reason: 'issuer_mismatch',
    check: ({ claims: { iss } }, { issuer }) =>
      iss === issuer ? undefined : problem(`iss ${printable(iss)}`, { tokenIssuer: printableText(iss) })
  },
  {
    // Even an empty `cnf`: a confirmation that cannot be checked (RFC 7800 §3.1).
    reason: 'confirmation_unsupported',
    check: ({ claims: { cnf } }, { confirmations }) =>
      cnf === undefined || isConfirmable(cnf, confirmations) ? undefined : confirmationProblem(cnf)
  },
  {
    reason: 'wrong_kind',
    check: ({ claims }, { tokenKind }) =>
      isAccessTokenKind(claims, tokenKind) ? undefined : problem(`payload typ ${printable(claims.typ)}`, { typ: claims.typ })
  },
  {
    reason: 'audience_mismatch',
    check: ({ claims: { aud } }, { audience }) =>
      audience === 'any' || namesUs(aud, audience) ? undefined : problem(`aud ${printable(aud)}`)
  }
]

function confirmationProblem (cnf: unknown): Problem {
  const boundBy = isObject(cnf) ? Object.keys(cnf) : []
  return problem(`cnf ${printable(boundBy)}`, { boundBy })
}

/**
 * Keycloak signs ID, logout and userinfo tokens with the same key; `typ` of the payload distinguishes them from access tokens. `DPoP` is
 * the type of an access token that is bound to a DPoP key; that its `cnf` can be checked is a rule before.
 */
function isAccessTokenKind ({ typ, cnf }: Unproven['claims'], tokenKind: Expectations['tokenKind']): boolean {
  if (typ === 'DPoP') return isObject(cnf) && Object.hasOwn(cnf, 'jkt')
  return typ === 'Bearer' || typ === 'bearer' || (tokenKind === 'at+jwt' && typ === undefined)
}

function namesUs (aud: unknown, audience: readonly string[]): boolean {
  return (Array.isArray(aud) ? aud : [aud]).some((name) => audience.includes(name as string))
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

function isRoles (value: unknown): boolean {
  return isObject(value) && (value.roles === undefined || isStrings(value.roles))
}
