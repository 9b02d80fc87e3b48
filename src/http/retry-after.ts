/** No issuer is left alone for longer than this, whatever it requests. */
export const LONGEST_RETRY_AFTER_MS = 60_000

/** The three forms of a date that RFC 9110 section 5.6.7 knows: `Sun, 06 Nov 1994 08:49:37 GMT`, RFC 850's and asctime's. */
const DATES = [
  /^\w{3}, \d{2} \w{3} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^\w{6,9}, \d{2}-\w{3}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^\w{3} \w{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/
]

/**
 * The pause that a `Retry-After` header requests (RFC 9110 section 10.2.3), never negative; undefined without one that can be read.
 * `nowMs` is the time of day (`Date.now()`). Not bounded: callers take {@link LONGEST_RETRY_AFTER_MS} at most.
 */
export function retryAfterMs (headerValue: string | undefined, nowMs: number): number | undefined {
  const value = headerValue?.trim() ?? ''
  if (/^\d+$/.test(value)) return Number(value) * 1000
  if (!DATES.some((form) => form.test(value))) return undefined
  const atMs = Date.parse(value.endsWith('GMT') ? value : `${value} GMT`)
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs)
}
