import type { Scheme } from './credentials.ts'
import type { Principal } from './principal.ts'

/**
 * The step between a verified token and its use: whether the request proves that it may use the token. Runs for cached tokens too, at each
 * request, so it is given what was verified and must decode nothing of the token. Throws or rejects with a Refusal; `context` is the
 * caller's; `text` ends with a space and the token, of which most proofs need no copy.
 */
export type Proof<C> = (principal: Principal, context: C, scheme: Scheme, text: string) => Principal | Promise<Principal>

/** The token at the end of such a text: no token has a space (RFC 6750 §2.1). */
export function tokenIn (text: string): string {
  return text.slice(text.lastIndexOf(' ') + 1)
}

/**
 * A bearer token (RFC 6750 §1.2) proves nothing beyond itself: whoever holds it may use it. Tokens bound to a key never come here,
 * because the reader refuses every confirmation (`cnf`) that cannot be checked.
 */
export const bearer: Proof<unknown> = (principal) => principal
