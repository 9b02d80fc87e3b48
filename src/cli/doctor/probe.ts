import { createBoundedFetch, FetchError, type BoundedResponse } from '../../http/bounded-fetch.ts'
import type { Way } from './connection.ts'

/** One GET: the response, or why there is none; and when it was, by the clock of this machine. */
export interface Probe {
  readonly address: string
  readonly response: BoundedResponse | undefined
  readonly error: FetchError | undefined
  readonly startedMs: number
  readonly endedMs: number
}

const MAX_BYTES = 1024 * 1024
const HEADERS = { accept: 'application/json, application/jwk-set+json, */*;q=0.1' }

/** Never rejects. */
export async function probe (address: string, { timeoutMs, usesProxies }: Way, nowMs: () => number): Promise<Probe> {
  const bounded = createBoundedFetch({ deadlineMs: timeoutMs, maxBytes: MAX_BYTES, useEnvProxy: usesProxies })
  const startedMs = nowMs()
  try {
    const response = await bounded.fetch(address, { headers: HEADERS })
    return { address, response, error: undefined, startedMs, endedMs: nowMs() }
  } catch (error) {
    if (!(error instanceof FetchError)) throw error
    return { address, response: undefined, error, startedMs, endedMs: nowMs() }
  } finally {
    await bounded.close()
  }
}
