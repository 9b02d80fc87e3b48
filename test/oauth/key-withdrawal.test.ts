import t from 'tap'
import { KeyWithdrawal, WITHDRAWAL_LIMITS } from '../../src/oauth/key-withdrawal.ts'

const { confirmAfterMs, confirmations, endAfterListedMs, endAfterMissingMs, disputedMs, disputedRetryMs } = WITHDRAWAL_LIMITS

/** A response at a time that lists these keys; requested and received in the same millisecond. */
const at = (nowMs: number, names: readonly string[], newConnection = true): Parameters<KeyWithdrawal['review']>[0] =>
  ({ names: new Map(names.map((name) => [name, true])), requestedAtMs: nowMs, receivedAtMs: nowMs, newConnection })

t.test('a key that is missing is withdrawn by several confirmations, the first 2 s later, all over new connections', async (t) => {
  const keys = new KeyWithdrawal()
  t.same(keys.review(at(0, ['a', 'b'])), [])
  t.equal(keys.isPending, false)
  t.equal(keys.nextFetchAtMs, Infinity)
  t.same(keys.review(at(50_000, ['b'])), [])
  t.equal(keys.isPending, true)
  t.equal(keys.nextFetchAtMs, 50_000 + confirmAfterMs)
  t.equal(keys.nextEndAtMs, endAfterListedMs, '65 s after the last response that listed it was requested')
  t.same(keys.review(at(50_000 + confirmAfterMs - 1, ['b'])), [], 'too early')
  t.same(keys.review(at(52_000, ['b'], false)), [], 'the same node may have responded')
  for (let nowMs = 52_001; nowMs < 52_000 + confirmations; nowMs++) {
    t.same(keys.review(at(nowMs, ['b'])), [])
    t.equal(keys.nextFetchAtMs, nowMs, 'the next confirmation follows at once')
  }
  t.same(keys.review(at(52_100, ['b'])), ['a'])
  t.equal(keys.isPending, false)
  t.same(keys.end(1_000_000), [], 'b is listed')
})

t.test('a key that is listed again is disputed: it ends by time alone, however many responses lack it', async (t) => {
  const keys = new KeyWithdrawal()
  keys.review(at(0, ['a', 'b']))
  keys.review(at(10_000, ['b']))
  t.same(keys.review(at(12_000, ['a', 'b'])), [], 'another node lists it')
  keys.review(at(20_000, ['b']))
  for (const nowMs of [22_000, 27_000, 32_000, 37_000, 42_000]) {
    t.same(keys.review(at(nowMs, ['b'])), [])
    t.equal(keys.nextFetchAtMs, nowMs + disputedRetryMs)
  }
  t.equal(keys.nextEndAtMs, 12_000 + endAfterListedMs)
  t.same(keys.end(12_000 + endAfterListedMs - 1), [])
  t.same(keys.end(12_000 + endAfterListedMs), ['a'])

  keys.review(at(100_000, ['a', 'b']))
  keys.review(at(110_000, ['b']))
  keys.review(at(111_000, ['a', 'b']))
  const later = 111_000 + disputedMs
  keys.review(at(later - 1_000, ['a', 'b']))
  keys.review(at(later, ['b']))
  t.same(
    Array.from({ length: confirmations }, (_, n) => keys.review(at(later + confirmAfterMs + n, ['b']))).flat(),
    ['a'],
    'forgotten after ten minutes'
  )
})

t.test('a dispute lasts ten minutes, also where later responses list the key: until then no six responses withdraw it', async (t) => {
  const keys = new KeyWithdrawal()
  for (const listed of [['a', 'b'], ['b'], ['a', 'b']]) keys.review(at(0, listed))
  keys.review(at(590_000, ['a', 'b']))
  keys.review(at(590_500, ['b']))
  for (let nowMs = 592_500; nowMs < 600_000; nowMs += 1_000) {
    t.same(keys.review(at(nowMs, ['b'])), [], `${nowMs}`)
    t.equal(keys.nextFetchAtMs, nowMs + 1_000, 'one response in a second')
  }
  t.same(keys.review(at(599_999, ['b'])), [])
  t.same(keys.review(at(600_000, ['b'])), ['a'])
})

t.test('without a dispute six responses withdraw a key: seven in all lack it', async (t) => {
  const keys = new KeyWithdrawal()
  keys.review(at(0, ['a', 'b']))
  t.same([1_000, 3_000, 3_010, 3_020, 3_030, 3_040, 3_050].map((nowMs) => keys.review(at(nowMs, ['b']))), [[], [], [], [], [], [], ['a']])
})

t.test('65 s after it was last listed a missing key ends, with a response or without; after an outage 10 s are left', async (t) => {
  const keys = new KeyWithdrawal()
  keys.review(at(0, ['a', 'b']))
  keys.review(at(55_000, ['b']))
  keys.fetchFailed(57_000)
  t.equal(keys.nextFetchAtMs, Infinity, 'the schedule of retries decides')
  t.equal(keys.nextEndAtMs, endAfterListedMs)
  t.same(keys.review(at(endAfterListedMs, ['b'], false)), ['a'], 'without a new connection, too')

  keys.review(at(100_000, ['a', 'b']))
  keys.review(at(3_700_000, ['b']))
  t.equal(keys.nextEndAtMs, 3_700_000 + endAfterMissingMs)
  keys.fetchFailed(3_700_500)
  t.equal(keys.nextFetchAtMs, 3_702_000, 'a fetch that began before the confirmation was due does not take its place')
  t.same(keys.end(3_710_000), ['a'])
})

t.test('a key that leaves in another way is forgotten', async (t) => {
  const keys = new KeyWithdrawal()
  keys.review(at(0, ['a']))
  keys.review(at(1_000, ['b']))
  keys.forget('a')
  t.equal(keys.isPending, false)
  t.same(keys.end(1_000_000), [])
})
