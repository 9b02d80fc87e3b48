import { isAlgorithm } from '../algorithms.ts'
import { printable } from '../printable.ts'
import type { ProofReason } from '../reasons.ts'
import { isDate, isObject } from '../rules/rule.ts'
import { fits, keyProblem, privateMemberOf } from './proof-key.ts'
import type { DecodedProof } from './proof-token.ts'
import { normalizedTarget } from './target.ts'

/** How long a proof can be used. Keycloak's own window is 25 s back and 15 s ahead. */
export const PROOF_WINDOW = { pastSeconds: 60, futureSeconds: 10 } as const

/** The request that a proof must be for. */
export interface Proven {
  readonly method: string
  /** As `targetsOf` has them: the proof names one of them. */
  readonly targets: readonly string[]
  /** SHA-256 of the access token, base64url. */
  readonly tokenHash: string
  readonly nowSeconds: number
}

interface ProofRule {
  readonly reason: ProofReason
  /** What is wrong, in words for the log (never a whole proof); undefined: nothing. */
  readonly check: (proof: DecodedProof, request: Proven) => string | undefined
}

const FORBIDDEN_MEMBERS = ['crit', 'b64', 'zip', 'enc', 'jku', 'x5u', 'x5c']
const MAX_JTI_LENGTH = 512

/** What RFC 9449 §4.3 requires before the signature is checked, in the order of the checks. */
export const PROOF_RULES: readonly ProofRule[] = [
  { reason: 'dpop_type', check: ({ header: { typ } }) => isProofType(typ) ? undefined : `typ ${printable(typ)}` },
  {
    reason: 'dpop_header_not_allowed',
    check: ({ header }) => FORBIDDEN_MEMBERS.find((name) => Object.hasOwn(header, name))
  },
  { reason: 'dpop_algorithm', check: ({ header: { alg } }) => isAlgorithm(alg) ? undefined : `alg ${printable(alg)}` },
  {
    reason: 'dpop_private_key',
    check: ({ header: { jwk } }) => isObject(jwk) ? privateMemberOf(jwk) : undefined
  },
  { reason: 'dpop_key', check: ({ header: { jwk } }) => keyProblem(jwk) },
  {
    reason: 'dpop_algorithm',
    check: ({ header: { alg, jwk } }) =>
      isAlgorithm(alg) && isObject(jwk) && fits(alg, jwk) ? undefined : `alg ${printable(alg)} with another kind of key`
  },
  { reason: 'dpop_claim', check: ({ claims }) => mistypedClaim(claims) },
  { reason: 'dpop_method', check: ({ claims: { htm } }, { method }) => htm === method ? undefined : `htm ${printable(htm)}` },
  {
    reason: 'dpop_url',
    check: ({ claims: { htu } }, { targets }) => {
      const named = normalizedTarget(htu as string)
      if (named !== undefined && targets.includes(named)) return undefined
      return `htu ${printable(htu)}, expected ${targets.length === 0 ? 'none' : targets.map(printable).join(' or ')}`
    }
  },
  {
    reason: 'dpop_expired',
    check: ({ claims: { iat, exp } }, { nowSeconds }) => {
      if (nowSeconds - (iat as number) > PROOF_WINDOW.pastSeconds) {
        return `iat ${printable(iat)}, ${Math.ceil(nowSeconds - (iat as number))} s ago`
      }
      return exp !== undefined && nowSeconds - (exp as number) >= PROOF_WINDOW.futureSeconds ? `exp ${printable(exp)}` : undefined
    }
  },
  {
    reason: 'dpop_in_future',
    check: ({ claims: { iat, nbf } }, { nowSeconds }) => {
      if ((iat as number) - nowSeconds > PROOF_WINDOW.futureSeconds) {
        return `iat ${printable(iat)}, in ${Math.ceil((iat as number) - nowSeconds)} s`
      }
      return nbf !== undefined && (nbf as number) - nowSeconds > PROOF_WINDOW.futureSeconds ? `nbf ${printable(nbf)}` : undefined
    }
  },
  { reason: 'dpop_token_mismatch', check: ({ claims: { ath } }, { tokenHash }) => ath === tokenHash ? undefined : 'ath' }
]

/** Media types are compared without regard to case, with or without `application/` (RFC 7515 §4.1.9). */
function isProofType (typ: unknown): boolean {
  return typeof typ === 'string' && /^(?:application\/)?dpop\+jwt$/i.test(typ)
}

function mistypedClaim (claims: DecodedProof['claims']): string | undefined {
  const { jti, iat, exp, nbf, nonce } = claims
  if (typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI_LENGTH) return 'jti'
  if (!isDate(iat)) return 'iat'
  if (exp !== undefined && !isDate(exp)) return 'exp'
  if (nbf !== undefined && !isDate(nbf)) return 'nbf'
  if (nonce !== undefined && typeof nonce !== 'string') return 'nonce'
  return ['htm', 'htu', 'ath'].find((name) => typeof claims[name] !== 'string')
}
