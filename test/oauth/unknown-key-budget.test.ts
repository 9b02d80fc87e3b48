import t from 'tap'
import { UNKNOWN_KEY_LIMITS, UnknownKeyBudget } from '../../src/oauth/unknown-key-budget.ts'

const { burst, intervalMs } = UNKNOWN_KEY_LIMITS
const takes = (budget: UnknownKeyBudget, nowMs: number, times: number): boolean[] => Array.from({ length: times }, () => budget.take(nowMs))

t.test('a burst of two, then one for each interval', async (t) => {
  const budget = new UnknownKeyBudget(0)
  t.same(takes(budget, 0, 4), [true, true, false, false])
  t.equal(budget.nextAtMs, intervalMs)
  t.same(takes(budget, intervalMs - 1, 2), [false, false])
  t.same(takes(budget, intervalMs, 2), [true, false])
  t.same(takes(budget, 2.5 * intervalMs, 2), [true, false])
  t.equal(budget.nextAtMs, 3 * intervalMs, 'half an interval is not lost')
  t.same(takes(budget, 3 * intervalMs, 2), [true, false])
})

t.test('what is not used is saved up to the burst, and no further', async (t) => {
  const budget = new UnknownKeyBudget(0)
  t.same(takes(budget, 1_000 * intervalMs, burst + 1), [true, true, false])
  t.equal(budget.nextAtMs, 1_001 * intervalMs, 'the interval begins with the first of them')
  t.same(takes(budget, 1_001 * intervalMs, 2), [true, false])
  t.same(takes(budget, 2_000.5 * intervalMs, burst + 1), [true, true, false])
  t.equal(budget.nextAtMs, 2_001.5 * intervalMs, 'also between two intervals')
})

t.test('however often unknown keys are named: in an hour no more than the burst and one for each interval', async (t) => {
  const budget = new UnknownKeyBudget(0)
  let fetches = 0
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 100) if (budget.take(nowMs)) fetches++
  t.equal(fetches, burst + 3_600_000 / intervalMs - 1)
})
