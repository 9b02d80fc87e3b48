import { readRefusal } from './challenge.ts'
import { InsufficientScope } from './errors.ts'
import type { TokenWish } from './settings.ts'
import { isScopeWord } from './text.ts'

/** A challenge is the API's text: no more words than this are requested on its behalf, and no longer ones. */
const MOST_SCOPES = 50
const LONGEST_SCOPE = 200

/** The scopes that a 403 requires (RFC 6750 section 3.1); undefined: it is not such a refusal, or names none. */
export function requiredScopes (response: Response, token: string, bound: boolean): readonly string[] | undefined {
  if (response.status !== 403) return undefined
  const challenge = readRefusal(response.headers.get('www-authenticate'), bound)
  if (challenge?.error !== 'insufficient_scope') return undefined
  const words =
    [...new Set(challenge.scope?.split(' '))].filter((word) => isScopeWord(word) && word.length <= LONGEST_SCOPE && !word.includes(token))
  return words.length === 0 ? undefined : words.slice(0, MOST_SCOPES)
}

/** What APIs have required in addition, for each wish; a new wish takes it into account. */
export interface StepUps {
  readonly grown: (wish: TokenWish) => TokenWish
  readonly remember: (wish: TokenWish, larger: TokenWish) => void
}

export function createStepUps (most: number): StepUps {
  const larger = new Map<string, TokenWish>()
  return {
    grown: (wish) => larger.size === 0 ? wish : larger.get(JSON.stringify(wish)) ?? wish,
    remember (wish, grown) {
      larger.set(JSON.stringify(wish), grown)
      const [oldest] = larger.keys()
      if (larger.size > most && oldest !== undefined) larger.delete(oldest)
    }
  }
}

/** The union, which the next refusal cannot require again; undefined: nothing is missing, or it would be too much. */
export function union (wish: TokenWish, required: readonly string[]): TokenWish | undefined {
  const scope = [...new Set([...wish.scope, ...required])].sort()
  return scope.length === wish.scope.length || scope.length > Math.max(MOST_SCOPES, wish.scope.length) ? undefined : { ...wish, scope }
}

/** Says what is missing, and what to do. `refusedByIssuer`: it was requested, and the issuer does not grant it. */
export function insufficientScope (
  response: Response, wish: TokenWish, required: readonly string[], refusedByIssuer: boolean
): InsufficientScope {
  const missing = required.filter((word) => !wish.scope.includes(word))
  const message = `the API requires the scope ${required.join(' ')} (403 insufficient_scope): ${advice(missing, refusedByIssuer)}`
  return new InsufficientScope(message, required, missing, response)
}

function advice (missing: readonly string[], refusedByIssuer: boolean): string {
  if (missing.length === 0) {
    return 'it was requested, but the token does not have it: in Keycloak switch on "Include in token scope" for this client scope'
  }
  if (refusedByIssuer) return `the issuer does not grant ${missing.join(' ')} to this client: in Keycloak assign the client scope to it`
  return `${missing.join(' ')} was not requested: add it to scope, or set stepUp`
}
