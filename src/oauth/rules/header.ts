import { printable } from '../printable.ts'
import { problem, type Expectations, type Rule } from './rule.ts'

/** Members with which a token would bring its own key or change how it is read (RFC 7515 §4.1, RFC 7797, RFC 8725 §3.10). */
const FORBIDDEN_MEMBERS = ['crit', 'b64', 'zip', 'enc', 'jwk', 'jku', 'x5u', 'x5c']
const MAX_KID_LENGTH = 255

/** The rules for the header, in the order of the checks. */
export const HEADER_RULES: readonly Rule[] = [
  {
    reason: 'header_not_allowed',
    check: ({ header }) => {
      const member = FORBIDDEN_MEMBERS.find((name) => Object.hasOwn(header, name))
      return member === undefined ? undefined : problem(`header ${member}`)
    }
  },
  {
    reason: 'algorithm_not_allowed',
    check: ({ header: { alg } }, { algorithms }) =>
      (algorithms as readonly unknown[]).includes(alg) ? undefined : problem(`alg ${printable(alg)}`, { alg })
  },
  {
    reason: 'kid_missing',
    check: ({ header: { kid } }) => typeof kid === 'string' && kid !== '' && kid.length <= MAX_KID_LENGTH ? undefined : problem('kid')
  },
  {
    reason: 'wrong_header_type',
    check: ({ header: { typ } }, { tokenKind }) => isHeaderType(typ, tokenKind) ? undefined : problem(`header typ ${printable(typ)}`)
  }
]

/** Media types are compared without regard to case, with or without `application/` (RFC 7515 §4.1.9). */
function isHeaderType (typ: unknown, tokenKind: Expectations['tokenKind']): boolean {
  if (typ === undefined) return tokenKind === 'keycloak'
  if (typeof typ !== 'string') return false
  const type = typ.toLowerCase().replace(/^application\//, '')
  return type === 'at+jwt' || (tokenKind === 'keycloak' && type === 'jwt')
}
