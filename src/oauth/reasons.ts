import { BINDING_TEXTS } from './reasons/bindings.ts'
import type { ReasonContext, ReasonText } from './reasons/context.ts'
import { KEY_TEXTS } from './reasons/keys.ts'
import { PROOF_TEXTS } from './reasons/proofs.ts'
import { REQUEST_TEXTS, RIGHTS_TEXTS } from './reasons/requests.ts'
import { TOKEN_CLAIM_TEXTS } from './reasons/token-claims.ts'
import { TOKEN_FORM_TEXTS } from './reasons/token-form.ts'

export type { Evidence, ReasonContext, ReasonText, Settings } from './reasons/context.ts'

const TOKEN_TEXTS = { ...TOKEN_FORM_TEXTS, ...TOKEN_CLAIM_TEXTS, ...KEY_TEXTS, ...BINDING_TEXTS }

/** Every reason for which a token is refused. */
export type TokenReason = keyof typeof TOKEN_TEXTS
/** Every reason for which the DPoP proof of a request is refused, after its token was verified. */
export type ProofReason = keyof typeof PROOF_TEXTS
/** Every reason for which a valid token is refused at a route. */
export type RightsReason = keyof typeof RIGHTS_TEXTS
/** Every reason for which a request is refused before a token is read. */
export type RequestReason = keyof typeof REQUEST_TEXTS
export type Reason = RequestReason | TokenReason | ProofReason | RightsReason

/** Every reason, in the order in which a request meets them. docs/reference/reasons.md is generated from it. */
export const REASONS: Readonly<Record<Reason, ReasonText>> = { ...REQUEST_TEXTS, ...TOKEN_TEXTS, ...PROOF_TEXTS, ...RIGHTS_TEXTS }

/** Says what is wrong and what to do, for the operator's log and tools, never for the caller. */
export function explain (reason: Reason, context: ReasonContext): string {
  const { sentence, fix } = REASONS[reason]
  const page = context.docsUrl === undefined ? '' : ` ${context.docsUrl}/reference/reasons.md#${reason}`
  return `${sentence} ${fix({ ...context, ...context.settings })}${page}`
}
