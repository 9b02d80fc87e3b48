import type { Confirmation } from './confirmation.ts'
import type { Scheme } from './credentials.ts'
import type { ProofCheck, ProofRequest } from './dpop/proof-check.ts'
import { InvalidToken } from './errors.ts'
import type { Principal } from './principal.ts'
import { tokenIn, type Proof } from './proof.ts'

/** The certificate of a caller: its thumbprint (RFC 8705 §3.1), or why none is known, in words for the log. */
export type PresentedCertificate = { readonly thumbprint: string } | { readonly missing: string }

/** How the confirmations of tokens are checked; what is undefined here, the reader of tokens must refuse. */
export interface PossessionOptions<C> {
  readonly dpop?: ProofCheck | undefined
  /** Only tokens that are bound to a DPoP key are accepted (DPOP=required). */
  readonly dpopRequired: boolean
  readonly proofRequestOf: (context: C) => ProofRequest
  /** The response must supply this nonce. */
  readonly supplyNonce: (context: C, nonce: string) => void
  readonly certificateOf: (context: C) => PresentedCertificate
}

/**
 * Whether a request may use its token (RFC 9449 §7, RFC 8705 §3): a bound token only with the proof of its key, an unbound one only as
 * bearer. For an unbound bearer token it is one comparison. Not checked: what a route requires (`config.auth.bound`).
 */
export function possession<C> (options: PossessionOptions<C>): Proof<C> {
  const { dpopRequired } = options
  return (principal, context, scheme, text) => {
    const { confirmation } = principal
    if (confirmation !== undefined) return prove(options, confirmation, principal, { context, scheme, text })
    if (scheme === 'dpop') throw refusalOf('token_not_bound', principal)
    if (dpopRequired) throw refusalOf('binding_required', principal)
    return principal
  }
}

interface Presented<C> {
  readonly context: C
  readonly scheme: Scheme
  /** It ends with the token. */
  readonly text: string
}

function prove<C> (
  options: PossessionOptions<C>, { jkt, certificate }: Confirmation, principal: Principal, { context, scheme, text }: Presented<C>
): Principal | Promise<Principal> {
  if (scheme === 'bearer' && jkt !== undefined) throw refusalOf('bound_token_as_bearer', principal)
  if (scheme === 'dpop' && jkt === undefined) throw refusalOf('token_not_bound', principal)
  if (jkt === undefined && options.dpopRequired) {
    throw refusalOf('binding_required', principal, 'cnf has x5t#S256, and no jkt').about({ boundBy: ['x5t#S256'] })
  }
  if (certificate !== undefined) checkCertificate(certificate, options.certificateOf(context), principal)
  if (jkt === undefined) return principal
  const checked = (options.dpop as ProofCheck).check(tokenIn(text), jkt, principal, options.proofRequestOf(context))
  const use = ({ nonce }: { readonly nonce: string | undefined }): Principal => {
    if (nonce !== undefined) options.supplyNonce(context, nonce)
    return principal
  }
  return checked instanceof Promise ? checked.then(use) : use(checked)
}

function checkCertificate (bound: string, presented: PresentedCertificate, principal: Principal): void {
  if ('missing' in presented) throw refusalOf('certificate_missing', principal, presented.missing)
  if (presented.thumbprint !== bound) throw refusalOf('certificate_mismatch', principal)
}

type BindingReason = 'bound_token_as_bearer' | 'token_not_bound' | 'binding_required' | 'certificate_missing' | 'certificate_mismatch'

function refusalOf (reason: BindingReason, { clientId }: Principal, detail?: string): InvalidToken {
  return new InvalidToken(reason, detail, clientId === undefined ? {} : { unverifiedClient: clientId })
}
