/** Fixed, and shown by tests. */
export const FETCH_SCHEDULE = {
  /** While no key is known. */
  firstRetryMs: 250,
  lastRetryMs: 5_000,
  /** Between fetches that fail while keys are known. */
  outageRetryMs: 5_000
} as const

/** What the next fetch depends on. */
export interface FetchHistory {
  /** Fetches that failed since the last good response; 0 while the issuer is available. */
  readonly failures: number
  readonly keysAreKnown: boolean
  readonly startedAtMs: number
  readonly endedAtMs: number
  /** The pause that the last response requested, already bounded. */
  readonly retryAfterMs: number | undefined
  readonly refreshMs: number
}

/**
 * When the next fetch begins. Pauses are from the start of one fetch to the start of the next, so that a slow failure does not add to
 * them; a refresh takes place after 80 to 91 % of its interval (48 to 55 s by default). `jitter` is from 0 to 1.
 */
export function nextFetchAtMs (history: FetchHistory, jitter: number): number {
  const { failures, keysAreKnown, startedAtMs, endedAtMs, retryAfterMs = 0, refreshMs } = history
  const { firstRetryMs, lastRetryMs, outageRetryMs } = FETCH_SCHEDULE
  if (failures === 0) return startedAtMs + refreshMs * (0.8 + 0.115 * jitter)
  const pauseMs = keysAreKnown
    ? outageRetryMs * (1 + 0.2 * jitter)
    : Math.min(lastRetryMs, firstRetryMs * 2 ** (failures - 1)) * (0.75 + 0.25 * jitter)
  return Math.max(startedAtMs + pauseMs, endedAtMs + retryAfterMs)
}
