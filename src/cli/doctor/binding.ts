import type { Scheme } from '../../oauth/credentials.ts'
import type { Examination, Finding } from '../../oauth/access-token.ts'
import { REASONS, type ProofReason, type ReasonContext, type TokenReason } from '../../oauth/reasons.ts'
import { failed, ok, skipped, type Check } from './check.ts'

/** How a request presents its token: known where an Authorization header was given, not only a token. */
export interface Presentation {
  readonly scheme: Scheme
  /** How many DPoP headers the request has; undefined: the rest of its head was not given. */
  readonly proofs: number | undefined
}

export interface BindingContext {
  readonly presentation: Presentation | undefined
  readonly settings: ReasonContext
}

type Claims = NonNullable<Examination['token']>['claims']

/**
 * Whether the token is used as it is bound (RFC 9449 §7, RFC 8705 §3), in the order in which the service looks at it. Not checked: the
 * proof itself, which is for one request, and the certificate of the connection.
 */
export function bindingChecks ({ cnf }: Claims, findings: readonly Finding[], context: BindingContext): Check[] {
  if (findings.some(({ reason }) => reason === 'confirmation_unsupported' || reason === 'claim_type')) return []
  const names = Object.keys(Object(cnf) as object)
  const isDpop = names.includes('jkt')
  const scheme = context.presentation?.scheme
  const refuse = (reason: TokenReason | ProofReason, cause: string): Check[] => [refused(reason, cause, context.settings)]
  if (isDpop && scheme === 'bearer') return refuse('bound_token_as_bearer', 'The Authorization header has the scheme Bearer.')
  if (!isDpop && scheme === 'dpop') return refuse('token_not_bound', 'The Authorization header has the scheme DPoP.')
  if (!isDpop && context.settings.bindings?.dpop === 'required') {
    const isCertificate = names.includes('x5t#S256')
    const settings = { ...context.settings, ...isCertificate && { boundBy: ['x5t#S256'] } }
    return [refused('binding_required', isCertificate ? 'cnf has x5t#S256, and no jkt' : 'no cnf.jkt', settings)]
  }
  const proofs = isDpop && scheme === 'dpop' ? proofChecks(context) : []
  return [...boundChecks(isDpop, names.includes('x5t#S256')), ...proofs]
}

function boundChecks (isDpop: boolean, isCertificate: boolean): Check[] {
  const certificate = 'The caller must present this certificate with the request.'
  if (!isDpop) return isCertificate ? [ok('binding', 'bound to a client certificate (cnf.x5t#S256)', { cause: certificate })] : []
  const cause = 'The caller must send "Authorization: DPoP <token>" with a proof of this key; as a Bearer token it is refused.'
  return isCertificate
    ? [ok('binding', 'bound to a DPoP key (cnf.jkt) and to a client certificate (cnf.x5t#S256)', { cause: `${cause} ${certificate}` })]
    : [ok('binding', 'bound to a DPoP key (cnf.jkt)', { cause })]
}

function proofChecks ({ presentation, settings }: BindingContext): Check[] {
  const proofs = presentation?.proofs
  if (proofs === undefined) return []
  if (proofs === 0) return [refused('dpop_missing', 'The head of the request has no DPoP line.', settings)]
  if (proofs > 1) return [refused('dpop_repeated', `${proofs} DPoP lines`, settings)]
  return [skipped(
    'dpop_proof',
    'the proof in the DPoP header',
    'A proof is for one request, and valid for a minute: the log of the service says what is wrong with it.'
  )]
}

function refused (reason: TokenReason | ProofReason, cause: string, settings: ReasonContext): Check {
  const { sentence, fix } = REASONS[reason]
  return failed(reason, sentence, { cause, fix: fix(settings) })
}
