import t from 'tap'
import { LANE_LIMITS, VerificationLane } from '../../src/oauth/verification-lane.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

t.test('eight in a turn of the event loop, in order; the rest waits', async (t) => {
  const lane = new VerificationLane()
  const started: number[] = []
  const all = Array.from({ length: 20 }, (_, n) => lane.enter(async () => { started.push(n) }))
  t.equal(started.length, LANE_LIMITS.perTurn)
  t.equal(lane.length, 12)
  await turn()
  t.equal(started.length, 16)
  await turn()
  t.equal(started.length, 20)
  await Promise.all(all)
  t.same(started, Array.from({ length: 20 }, (_, n) => n))
})

t.test('whoever comes while others wait stands behind them', async (t) => {
  const lane = new VerificationLane()
  const started: string[] = []
  for (let n = 0; n < 10; n++) void lane.enter(async () => { started.push(`early ${n}`) })
  await turn()
  void lane.enter(async () => { started.push('late') })
  await turn()
  t.equal(started.at(-1), 'late')
})

t.test('a full lane turns away with 503 and Retry-After: 1, and recovers', async (t) => {
  const lane = new VerificationLane()
  const work = async (): Promise<void> => undefined
  for (let n = 0; n < LANE_LIMITS.perTurn + LANE_LIMITS.waiting; n++) void lane.enter(work)
  t.match(await lane.enter(work).catch((error: unknown) => error), { statusCode: 503, reason: 'overloaded', retryAfterSeconds: 1 })
  while (lane.length > 0) await turn()
  await turn()
  await lane.enter(work)
})

t.test('a failure is the failure of one', async (t) => {
  const lane = new VerificationLane()
  const all = Array.from({ length: 12 }, (_, n) => lane.enter(async () => {
    if (n % 2 === 0) throw new Error(`no ${n}`)
    return n
  }))
  const outcomes = await Promise.allSettled(all)
  t.same(outcomes.map(({ status }) => status), Array.from({ length: 12 }, (_, n) => n % 2 === 0 ? 'rejected' : 'fulfilled'))
})
