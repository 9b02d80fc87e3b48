import t from 'tap'
import { SEEN_NAMES_LIMITS, SeenNames } from '../../src/oauth/seen-names.ts'

t.test('a name is seen once with one token, however often that is on its way, and again with another one', async (t) => {
  const names = new SeenNames(() => 0)
  t.equal(names.stateOf('a'), 'once', 'before anything was seen')
  t.same([7, 7].map((token) => names.see('a', token)), ['once', 'once'])
  t.equal(names.stateOf('a'), 'once')
  t.equal(names.see('b', 7), 'once', 'of another name')
  t.same([8, 8, 7].map((token) => names.see('a', token)), ['again', 'again', 'again'])
  t.equal(names.stateOf('a'), 'again')
  t.equal(names.stateOf('b'), 'once')
})

t.test('a token is any number of 32 bits', async (t) => {
  const names = new SeenNames(() => 0)
  for (const token of [0, 1, 2, -1, -0x8000_0000, 0x7FFF_FFFF]) {
    const name = `with ${token}`
    t.same([token, token].map((one) => names.see(name, one)), ['once', 'once'], name)
    t.equal(names.see(name, token + 10), 'again', name)
  }
})

t.test('a name whose token was sent away is seen again when it comes back', async (t) => {
  const names = new SeenNames(() => 0)
  names.expect('never seen')
  t.equal(names.see('never seen', 7), 'again')
  names.see('a', 7)
  names.expect('a')
  t.equal(names.stateOf('a'), 'again')
  t.equal(names.see('a', 7), 'again')
})

t.test('a bad name remains bad, whatever it comes with, as long as it is seen', async (t) => {
  let nowMs = 0
  const names = new SeenNames(() => nowMs)
  names.markBad('a')
  names.expect('a')
  for (; nowMs <= 60_000; nowMs += 10_000) t.equal(names.see('a', nowMs), 'bad')
  nowMs = 70_999
  t.equal(names.stateOf('a'), 'bad')
  nowMs = 71_000
  t.same([names.stateOf('a'), names.see('a', 1)], ['once', 'once'], 'forgotten')
})

t.test('names are forgotten after ten seconds, also where their count begins anew', async (t) => {
  for (const seconds of [0, 100, 250, 255, 256, 1_790_000_000]) {
    let nowMs = seconds * 1000
    const names = new SeenNames(() => nowMs)
    names.see('a', 7)
    nowMs += 10_999
    t.equal(names.see('a', 8), 'again')
    nowMs += 11_000
    t.equal(names.see('a', 9), 'once')
    nowMs += 128_000
    t.equal(names.stateOf('a'), 'once')
  }
})

t.test('ten thousand names a second for ten seconds take the place of one that was seen before in one case of two, and none is another',
  async (t) => {
    const names = new SeenNames(() => 0)
    for (let n = 0; n < 1_000; n++) names.expect(`victim ${n}`)
    const mistaken = Array.from({ length: 100_000 }, (_, n) => names.see(`random ${n}`, n)).filter((state) => state !== 'once')
    t.same(mistaken, [])
    const left = Array.from({ length: 1_000 }, (_, n) => names.stateOf(`victim ${n}`)).filter((state) => state === 'again').length
    const expected = 1_000 * Math.exp(-100_000 / SEEN_NAMES_LIMITS.places)
    t.ok(Math.abs(left - expected) < 100, `${left} of 1,000 are left, where ${Math.round(expected)} are expected`)
  })
