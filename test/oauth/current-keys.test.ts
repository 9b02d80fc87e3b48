import t from 'tap'
import { CurrentKeys } from '../../src/oauth/current-keys.ts'
import { keyName, type KeySet, type PublicKey } from '../../src/oauth/key-set.ts'

const at = (nowMs: number): { requestedAtMs: number, receivedAtMs: number, newConnection: boolean } =>
  ({ requestedAtMs: nowMs, receivedAtMs: nowMs, newConnection: true })
const key = (kid: string, pem: string, alg: PublicKey['alg'] = 'ES256'): PublicKey => ({ kid, alg, pem })
const setOf = (keys: readonly PublicKey[], ambiguous: readonly PublicKey[] = []): KeySet => ({
  keys: new Map(keys.map((one) => [keyName(one.kid, one.alg), one])),
  ambiguous: new Map(ambiguous.map(({ kid, alg }) => [keyName(kid, alg), kid]))
})

t.test('keys are found by kid and algorithm, and counted by their material: a key for two algorithms is one', async (t) => {
  const keys = new CurrentKeys()
  const set = setOf([key('a', 'one', 'RS256'), key('a', 'one', 'PS256'), key('a', 'two', 'ES256'), key('b', 'one', 'RS256')])
  t.same(keys.accept(set, at(0)), { added: ['a', 'b'], removed: [] })
  t.match(keys.get('a', 'PS256'), { kid: 'a', alg: 'PS256', pem: 'one', alive: true })
  t.equal(keys.get('b', 'PS256'), undefined)
  t.same(keys.kids, ['a', 'b'])
  t.same([...keys.algorithmsOf('a')].sort(), ['ES256', 'PS256', 'RS256'])
  t.same(keys.algorithmsOf('c'), [])
  t.equal(keys.count, 3)
})

t.test('another key under the same name: the old one is dead, and its withdrawal with it', async (t) => {
  const keys = new CurrentKeys()
  keys.accept(setOf([key('a', 'one'), key('b', 'b')]), at(0))
  const old = keys.get('a', 'ES256')
  keys.accept(setOf([key('b', 'b')]), at(10_000))
  t.equal(keys.withdrawal.isPending, true)
  t.same(keys.accept(setOf([key('a', 'two'), key('b', 'b')]), at(11_000)), { added: ['a'], removed: ['a'] })
  t.equal(old?.alive, false)
  t.match(keys.get('a', 'ES256'), { pem: 'two', alive: true })
  t.equal(keys.withdrawal.isPending, false)
  keys.accept(setOf([key('b', 'b')]), at(20_000))
  const removed = Array.from({ length: 6 }, (_, n) => keys.accept(setOf([key('b', 'b')]), at(22_000 + n)).removed)
  t.same(removed.flat(), ['a'], 'what was said of the old key does not delay the end of the new one')
})

t.test('a key that is listed twice ends at once, and nothing waits for a confirmation of it', async (t) => {
  const keys = new CurrentKeys()
  keys.accept(setOf([key('a', 'one'), key('b', 'b')]), at(0))
  const known = keys.get('a', 'ES256')
  keys.accept(setOf([key('b', 'b')]), at(10_000))
  t.same(keys.accept(setOf([key('b', 'b')], [key('a', '')]), at(11_000)), { added: [], removed: ['a'] })
  t.equal(known?.alive, false)
  t.equal(keys.withdrawal.isPending, false)
  t.same(keys.accept(setOf([key('b', 'b')], [key('a', '')]), at(12_000)), { added: [], removed: [] }, 'once')
  t.equal(keys.count, 1)
})

t.test('when all keys go, all of them are dead and no withdrawal is left; one whose time is over goes alone', async (t) => {
  const keys = new CurrentKeys()
  keys.accept(setOf([key('a', 'a', 'RS256'), key('a', 'a', 'PS256'), key('b', 'b')]), at(0))
  keys.accept(setOf([key('b', 'b')]), at(60_000))
  t.same(keys.end(69_999), [])
  t.equal(keys.count, 2)
  t.same(keys.end(70_000), ['a'], '10 s after the first response that lacked it')
  t.equal(keys.count, 1)
  const last = keys.get('b', 'ES256')
  keys.accept(setOf([key('c', 'c')]), at(71_000))
  t.same([...keys.clear()].sort(), ['b', 'c'])
  t.same({ alive: last?.alive, count: keys.count, kids: keys.kids }, { alive: false, count: 0, kids: [] })
  t.equal(keys.withdrawal.isPending, false)
})
