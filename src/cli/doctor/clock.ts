import { failed, ok, skipped, type Check } from './check.ts'
import type { Probe } from './probe.ts'

/** A `Date` has whole seconds, an `iat` of most issuers too. */
const RESOLUTION_MS = 1_000

interface Reading {
  /** By how much the clock of the issuer is ahead of this one. */
  readonly aheadMs: number
  readonly uncertainMs: number
}

/** A time that the issuer wrote between two times of this machine; all in milliseconds since the epoch. */
export interface Written { readonly atMs: number, readonly startedMs: number, readonly endedMs: number }

const TITLE = 'the clocks of the issuer and of this machine agree'
const UNDATED =
  'No response has a Date (Keycloak sends none). With CLIENT_ID and CLIENT_SECRET the doctor requests a token, and compares its iat.'

/** Without any response. */
export function clockUnknown (): Check {
  return skipped('clock', TITLE, 'There is no response.')
}

/**
 * The clock of the issuer, by the `Date` of its responses (RFC 9110 §6.6.1) or by the `iat` of a token that it has just issued, against
 * the clock of this machine.
 */
export function clockCheck (times: readonly Written[], toleranceSeconds: number): Check {
  const [best] = times.map(readingOf).sort((a, b) => a.uncertainMs - b.uncertainMs)
  if (best === undefined) return skipped('clock', TITLE, UNDATED)
  const seconds = Math.abs(best.aheadMs) / 1000
  if (seconds - best.uncertainMs / 1000 <= Math.max(toleranceSeconds, 1)) {
    return ok(
      'clock',
      `the clock of the issuer differs by ${seconds < 2 ? 'less than 2 s' : `about ${Math.round(seconds)} s`} (CLOCK_TOLERANCE_SECONDS ` +
      `is ${toleranceSeconds})`
    )
  }
  const ahead = best.aheadMs > 0
  return failed('clock', 'the clocks of the issuer and of this machine differ', {
    code: ahead ? 'issuer_clock_ahead' : 'issuer_clock_behind',
    cause: `The clock of the issuer is about ${Math.round(seconds)} s ${ahead ? 'ahead of' : 'behind'} the clock of this machine; ` +
      `CLOCK_TOLERANCE_SECONDS is ${toleranceSeconds}. ` +
      (ahead ? 'New tokens are refused as issued_in_future or not_yet_valid.' : 'Tokens are refused as expired before their time.'),
    fix: 'Synchronise both clocks (NTP). CLOCK_TOLERANCE_SECONDS (at most 60) allows for small differences.'
  })
}

function readingOf ({ atMs, startedMs, endedMs }: Written): Reading {
  return { aheadMs: atMs + RESOLUTION_MS / 2 - (startedMs + endedMs) / 2, uncertainMs: (endedMs - startedMs + RESOLUTION_MS) / 2 }
}

/** When a response was written; one from a cache is as old as its `Age` says (RFC 9111 §5.1). Undefined: it has no `Date`. */
export function dateOf ({ response, startedMs, endedMs }: Probe): Written | undefined {
  const dateMs = Date.parse(response?.headers.date ?? '')
  if (Number.isNaN(dateMs)) return undefined
  const ageMs = Number(/^\d{1,9}$/.exec(response?.headers.age ?? '')?.[0] ?? 0) * 1000
  return { atMs: dateMs + ageMs, startedMs, endedMs }
}
