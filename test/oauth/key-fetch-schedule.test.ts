import t from 'tap'
import { FETCH_SCHEDULE, nextFetchAtMs, type FetchHistory } from '../../src/oauth/key-fetch-schedule.ts'

const HISTORY: FetchHistory = {
  failures: 0, keysAreKnown: true, startedAtMs: 1_000_000, endedAtMs: 1_000_300, retryAfterMs: undefined, refreshMs: 60_000
}
/** From the start of the last fetch to the next, without and with the whole jitter. */
const pauses = (change: Partial<FetchHistory>): number[] =>
  [0, 1].map((jitter) => Math.round(nextFetchAtMs({ ...HISTORY, ...change }, jitter)) - 1_000_000)

t.test('a refresh takes place after 80 to 91 % of its interval, whatever an earlier response requested', async (t) => {
  t.same(pauses({}), [48_000, 54_900])
  t.same(pauses({ refreshMs: 1_000 }), [800, 915])
})

t.test('while no key is known the pause doubles from 0.25 s to 5 s, and is at most a quarter shorter', async (t) => {
  const most = [1, 2, 3, 4, 5, 6, 7, 50].map((failures) => pauses({ failures, keysAreKnown: false }))
  t.same(most.map(([, whole]) => whole), [250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 5_000].map((ms) => Math.max(ms, 300)))
  t.same(
    most.map(([none]) => none),
    [188, 375, 750, 1_500, 3_000, 3_750, 3_750, 3_750].map((ms) => Math.max(ms, 300)),
    'never before the last fetch has ended'
  )
  t.equal(most.at(-1)?.[1], FETCH_SCHEDULE.lastRetryMs)
})

t.test('in an outage with known keys: every 5 to 6 s, a slow failure does not add to it', async (t) => {
  for (const failures of [1, 10, 1_000]) t.same(pauses({ failures, endedAtMs: 1_004_000 }), [5_000, 6_000])
  t.same(pauses({ failures: 1, endedAtMs: 1_030_000 }), [30_000, 30_000], 'a time-out of 30 s: at once')
})

t.test('Retry-After counts from the end of the fetch, and never shortens a pause', async (t) => {
  t.same(pauses({ failures: 1, retryAfterMs: 30_000 }), [30_300, 30_300])
  t.same(pauses({ failures: 1, retryAfterMs: 1_000 }), [5_000, 6_000])
  t.same(pauses({ failures: 1, keysAreKnown: false, retryAfterMs: 60_000 }), [60_300, 60_300])
})
