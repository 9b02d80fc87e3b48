import type { Scheme } from './credentials.ts'
import type { Principal } from './principal.ts'

/**
 * The step between a verified token and its use: whether the request proves that it may use the token. Runs for cached tokens too, at each
 * request, so it is given what was verified and must decode nothing of the token. Throws or rejects with a Refusal; `context` is the
 * caller's.
 */
export type Proof<C> = (principal: Principal, context: C, scheme: Scheme, token: string) => Principal | Promise<Principal>

/**
 * A bearer token (RFC 6750 §1.2) proves nothing beyond itself: whoever holds it may use it. Tokens bound to a key never come here,
 * because the reader refuses every confirmation (`cnf`) that cannot be checked.
 */
export const bearer: Proof<unknown> = (principal) => principal
