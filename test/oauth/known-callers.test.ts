import t from 'tap'
import { KnownCallers } from '../../src/oauth/known-callers.ts'

t.test('a caller is known for ten minutes after its token has ended, and an address suspect for ten seconds', async (t) => {
  let nowMs = 0
  const callers = new KnownCallers(() => nowMs)
  const caller = { address: '192.0.2.1', client: 'c' }
  const attacker = { address: '192.0.2.66', client: 'c' }
  callers.add(caller, 1_000)
  callers.suspect(attacker)
  const standings = (): string[] => [caller, attacker].map((one) => callers.standingOf(one))
  nowMs = 9_999
  t.same(standings(), ['known', 'suspect'])
  nowMs = 10_000
  t.same(standings(), ['known', 'new'])
  nowMs = 600_999
  t.same(standings(), ['known', 'new'])
  nowMs = 601_000
  t.same(standings(), ['new', 'new'])
})

t.test('10,000 callers are known at a time, and 10,000 networks suspect', async (t) => {
  const callers = new KnownCallers(() => 0)
  const most = Array.from({ length: 10_000 }, (_, n) => ({
    known: { address: `${n}`, client: 'c' }, suspect: { address: `suspect ${n}`, client: 'c' }
  }))
  for (const { known, suspect } of most) {
    callers.add(known, 1_000)
    callers.suspect(suspect)
  }
  t.same([...new Set(most.map(({ known, suspect }) => `${callers.standingOf(known)} ${callers.standingOf(suspect)}`))], ['known suspect'])
  callers.add({ address: 'one more', client: 'c' }, 1_000)
  callers.suspect({ address: 'one more suspect', client: 'c' })
  t.same(most.slice(0, 2).map(({ known }) => callers.standingOf(known)), ['new', 'known'])
  t.same(most.slice(0, 2).map(({ suspect }) => callers.standingOf(suspect)), ['new', 'suspect'])
})

t.test('nobody is taken for another: without an address or a client, one after the other, or with a long name', async (t) => {
  const callers = new KnownCallers(() => 0)
  const caller = { address: '192.0.2.1', client: 'x'.repeat(199) + 'a' }
  callers.add(caller, 1_000)
  t.equal(callers.standingOf({ address: '', client: '' }), 'new')
  t.equal(callers.standingOf(caller), 'known')
  t.equal(callers.standingOf({ ...caller, address: '192.0.2.2' }), 'new')
  t.equal(callers.standingOf({ ...caller, client: 'x'.repeat(199) + 'b' }), 'new')
  t.equal(callers.standingOf({ ...caller, client: `${caller.client} and more` }), 'known', 'of a name 200 characters count')
  callers.add({ address: '', client: '' }, 1_000)
  t.equal(callers.standingOf({ address: '', client: 'c' }), 'new')
})

t.test('behind a suspect address, a client that presents several tokens is as any new one, until one of them is bad', async (t) => {
  let nowMs = 0
  const callers = new KnownCallers(() => nowMs)
  const client = (name: string): { address: string, client: string } => ({ address: '192.0.2.1', client: name })
  callers.arrive(client('early'), 11)
  callers.suspect(client('attacker'))
  t.equal(callers.arrive(client('early'), 12), 'suspect', 'what came before the attack was not seen')
  for (let n = 0; n < 100; n++) t.equal(callers.arrive(client(`random-${n}`), n), 'suspect')
  t.same([11, 11, 12, 12, 11].map((token) => callers.arrive(client('victim'), token)), ['suspect', 'suspect', 'new', 'new', 'new'])
  t.equal(callers.standingOf(client('victim')), 'new')
  t.equal(callers.standingOf({ address: '192.0.2.2', client: 'victim' }), 'new')
  callers.suspect({ address: '192.0.2.2', client: 'attacker' })
  t.equal(callers.standingOf({ address: '192.0.2.2', client: 'victim' }), 'suspect', 'of that address it has not been seen')
  callers.suspect(client('victim'))
  t.equal(callers.arrive(client('victim'), 13), 'suspect')
  t.same([11, 12, 13].map((token) => callers.arrive(client('attacker'), token)), ['suspect', 'suspect', 'suspect'])
  callers.add(client('victim'), 1_000)
  t.equal(callers.arrive(client('victim'), 14), 'known')
  nowMs = 10_000
  t.equal(callers.arrive(client('attacker'), 4), 'new', 'the address is no suspect any more')
})

t.test('behind a suspect address, a client whose token was refused unread is as any new one when it comes back', async (t) => {
  const callers = new KnownCallers(() => 0)
  const [victim, attacker] = [{ address: '192.0.2.1', client: 'victim' }, { address: '192.0.2.1', client: 'attacker' }]
  callers.turnAway(victim)
  callers.suspect(attacker)
  t.equal(callers.arrive(victim, 1), 'suspect', 'before the attack, nobody was seen')
  callers.turnAway(victim)
  callers.turnAway(attacker)
  t.equal(callers.arrive(victim, 1), 'new')
  t.equal(callers.arrive(attacker, 1), 'suspect')
})
