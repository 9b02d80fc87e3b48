import { ClientError, CredentialsRefused, IssuerUnreachable } from './errors.ts'
import type { ClientErrorCode } from './errors.ts'
import type { IssuedToken } from './token-response.ts'

/** One token for one set of scopes, renewed as long as it is used. */
export interface TokenSource {
  /** A token that is valid now; undefined: there is none. Starts its renewal when that is due, as `current` does. */
  held: () => string | undefined
  /** A token that is valid now. Waits only when there is none. Throws the {@link ClientError} of the last attempt while that is fresh. */
  current: () => Promise<string>
  /** Another token than the one that the API refused; nothing when there is none now. Never throws. */
  replace: (refused: string) => Promise<string | undefined>
}

/** Milliseconds that never go back, and a number in [0, 1). */
export interface Chance {
  readonly now: () => number
  readonly random: () => number
}

/** Renewal starts after this part of the life, and at most this much later, so that replicas do not renew together. */
const RENEW_AT = 0.6
const RENEW_JITTER = 0.2
/** A token is not sent in its last seconds: it would end on the way. */
const LATENCY_ALLOWANCE_MS = 5000
/** What the issuer refused is not requested again for this long. */
const REFUSAL_HOLD_MS = 30_000
/** Credentials that may change are read again after this time, and sent again if they have. */
const REREAD_MS = 1000
const LASTING: readonly ClientErrorCode[] = ['credentials_refused', 'scope_refused', 'request_refused']
const FIRST_BACKOFF_MS = 250
const LONGEST_BACKOFF_MS = 5000
/** An API that refuses every token costs the issuer one request in this time. */
const REPLACE_EVERY_MS = 10_000

interface Held { readonly value: string, readonly renewAt: number, readonly endsAt: number }
interface Failure { readonly error: unknown, readonly attempts: number, readonly until: number }

/**
 * `request` fetches a token; at most one is under way at any time. There is no timer: the renewal is started by a
 * call that comes after `renewAt`, which itself takes the old token. Hence an idle client sends nothing.
 */
export function createTokenSource (request: () => Promise<IssuedToken>, { now, random }: Chance): TokenSource {
  let held: Held | undefined
  let failure: Failure | undefined
  let underWay: Promise<string> | undefined
  let replaceAgainAt = -Infinity

  async function attempt (): Promise<string> {
    const requestedAt = now()
    try {
      const issued = await request()
      held = begin(issued, requestedAt, random())
      failure = undefined
      return issued.value
    } catch (error) {
      const attempts = (failure?.attempts ?? 0) + 1
      failure = { error, attempts, until: now() + holdMs(error, attempts, random()) }
      throw error
    }
  }

  const renew = (): Promise<string> => underWay ??= attempt().finally(() => { underWay = undefined })
  const mayRequest = (): boolean => underWay !== undefined || failure === undefined || now() >= failure.until

  function valid (): string | undefined {
    const atMs = now()
    if (held === undefined || atMs >= held.endsAt) return undefined
    // Its failure is kept in `failure`; the old token is valid, so it is nobody's problem yet.
    if (atMs >= held.renewAt && mayRequest()) renew().catch(() => undefined)
    return held.value
  }

  return {
    held: valid,
    async current () {
      const value = valid()
      if (value !== undefined) return value
      if (!mayRequest()) throw failure?.error
      return await renew()
    },
    async replace (refused) {
      if (held !== undefined && held.value !== refused) return held.value
      if (underWay === undefined) {
        if (!mayRequest() || now() < replaceAgainAt) return undefined
        replaceAgainAt = now() + REPLACE_EVERY_MS
      }
      const value = await renew().catch(() => undefined)
      return value === refused ? undefined : value
    }
  }
}

/** The life counts from before the request was sent: the token is never older than that. */
function begin ({ value, lifeMs }: IssuedToken, requestedAt: number, random: number): Held {
  return {
    value,
    renewAt: requestedAt + lifeMs * (RENEW_AT + RENEW_JITTER * random),
    endsAt: requestedAt + lifeMs - Math.min(LATENCY_ALLOWANCE_MS, lifeMs / 10)
  }
}

/** Doubled with every attempt, between half and the whole of it, so that replicas do not come back together. */
function holdMs (error: unknown, attempts: number, random: number): number {
  if (error instanceof CredentialsRefused && error.mayChange) return REREAD_MS
  if (error instanceof ClientError && LASTING.includes(error.code)) return REFUSAL_HOLD_MS
  const backoff = Math.min(FIRST_BACKOFF_MS * 2 ** (attempts - 1), LONGEST_BACKOFF_MS) * (0.5 + random / 2)
  return error instanceof IssuerUnreachable ? Math.max(backoff, error.retryAfterMs) : backoff
}
