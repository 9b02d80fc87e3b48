import t from 'tap'
import { MemoryReplays } from '../../src/oauth/dpop/replays.ts'

t.test('a proof is known for as long as it could be used again, and not for much longer', async (t) => {
  for (const offset of [0, 1, 4_999, 9_999]) {
    let nowMs = 1_000_000 + offset
    const replays = new MemoryReplays(100, () => nowMs, () => nowMs)
    t.equal(replays.firstUse('a'), true)
    t.equal(replays.firstUse('a'), false)
    nowMs += 35_000
    t.equal(replays.firstUse('b'), true)
    nowMs += 35_000
    t.equal(replays.firstUse('a'), false, `70 s later, ${offset}`)
    nowMs += 20_001
    t.equal(replays.firstUse('a'), true, `90 s later, ${offset}`)
    t.equal(replays.firstUse('b'), false)
  }
})

t.test('nothing is kept of long ago, however long nobody has come', async (t) => {
  let nowMs = 0
  const replays = new MemoryReplays(100, () => nowMs, () => nowMs)
  for (let n = 0; n < 50; n++) replays.firstUse(`proof ${n}`)
  t.equal(replays.size, 50)
  nowMs = 3_600_000
  replays.firstUse('another')
  t.equal(replays.size, 1)
})

t.test('the bound is over all that is kept, and ends with it', async (t) => {
  let nowMs = 5_000
  const replays = new MemoryReplays(30, () => nowMs, () => nowMs)
  for (let n = 0; n < 30; n++, nowMs += 1_000) t.equal(replays.firstUse(`proof ${n}`), true)
  t.throws(() => replays.firstUse('one more'), { message: 'DPoP proofs cannot be checked at the moment' })
  t.equal(replays.firstUse('proof 0'), false, 'a used one is refused as such')
  t.throws(() => replays.firstUse('one more'), { message: 'DPoP proofs cannot be checked at the moment' })
  nowMs = 90_000
  t.equal(replays.firstUse('one more'), true)
  t.equal(replays.size, 26)
})

t.test('what is forgotten is not deleted one by one: a table with many deleted places is slow', async (t) => {
  let nowMs = 0
  const replays = new MemoryReplays(10_000, () => nowMs, () => nowMs)
  const deleted = [t.capture(Set.prototype, 'delete'), t.capture(Map.prototype, 'delete')]
  for (; nowMs < 300_000; nowMs += 100) replays.firstUse(`proof ${nowMs}`)
  t.same(deleted.map((calls) => calls().length), [0, 0])
  t.ok(replays.size <= 900, String(replays.size))
})

t.test('a clock that is set back: a proof is known until the time of the day has passed its end again', async (t) => {
  let [nowMs, todayMs] = [0, 1_800_000_000_000]
  const later = (ms: number): void => { nowMs += ms; todayMs += ms }
  const replays = new MemoryReplays(100, () => nowMs, () => todayMs)
  t.equal(replays.firstUse('used'), true)
  later(30_000)
  todayMs -= 1_800_000
  for (let minutes = 0; minutes < 30; minutes++) {
    later(60_000)
    t.equal(replays.firstUse('used'), false, `${minutes} minutes later`)
  }
  later(60_000)
  later(60_000)
  t.equal(replays.firstUse('used'), true)
})

t.test('a clock that was wrong by years: what was used until then is forgotten after an hour', async (t) => {
  let [nowMs, todayMs] = [0, 1_900_000_000_000]
  const replays = new MemoryReplays(1_000, () => nowMs, () => todayMs)
  t.equal(replays.firstUse('used'), true)
  todayMs = 1_800_000_000_000
  for (let n = 0; n < 400; n++) {
    nowMs += 10_000
    todayMs += 10_000
    t.equal(replays.firstUse(`proof ${n}`), true)
    t.equal(replays.firstUse('used'), n >= 359, `${n * 10} s later`)
    if (n >= 359) break
  }
  t.ok(replays.size <= 12, String(replays.size))
})

t.test('a clock that is set forward: a proof is known for as long as before', async (t) => {
  let [nowMs, todayMs] = [0, 1_800_000_000_000]
  const replays = new MemoryReplays(100, () => nowMs, () => todayMs)
  t.equal(replays.firstUse('used'), true)
  todayMs += 3_600_000
  t.equal(replays.firstUse('used'), false)
  nowMs += 69_000
  todayMs -= 3_600_000 - 69_000
  t.equal(replays.firstUse('used'), false, 'and back')
})
