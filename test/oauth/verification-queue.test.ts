import t from 'tap'
import { FairLines, networkOf } from '../../src/oauth/fair-lines.ts'
import type { Standing } from '../../src/oauth/fair-shares.ts'
import { KNOWN_CALLERS_LIMITS, KnownCallers } from '../../src/oauth/known-callers.ts'
import { unverifiedClientOf } from '../../src/oauth/unverified-client.ts'
import { QUEUE_LIMITS, VerificationQueue } from '../../src/oauth/verification-queue.ts'

const settled = async (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

interface Presenting {
  readonly address?: string
  readonly client?: string
  readonly standing?: Standing
  /** Once it waits. */
  readonly later?: () => Standing
  readonly tookMs?: number
  readonly responseMs?: number
  readonly gone?: () => boolean
}

/** Time and turns of the event loop as the test decides; `served` has the names in the order in which their checks ran. */
class Scene {
  #nowMs = 0
  #next: Array<() => void> = []
  readonly served: string[] = []
  readonly refused: string[] = []
  readonly queue = new VerificationQueue({ nowMs: () => this.#nowMs, next: (call) => { this.#next.push(call) } })

  /** A check that takes so long. */
  present (name: string, presenting: Presenting = {}): void {
    const { address = '192.0.2.1', client = 'c', standing = 'new', tookMs = 0.25, responseMs = 0 } = presenting
    const { later = (): Standing => standing, gone = (): boolean => false } = presenting
    const run = (): void => {
      this.#nowMs += tookMs
      this.served.push(name)
    }
    this.queue.enter({ caller: { address, client }, arrive: () => standing, standing: later, isAbandoned: gone, run })
      .then(() => { this.#nowMs += responseMs })
      .catch((error: { reason?: string }) => this.refused.push(`${name} ${error.reason}`))
  }

  /** Other work takes so long before the calls of the turn; promises are settled after each call, as in Node. */
  async turn (otherMs = 0): Promise<void> {
    const calls = this.#next
    this.#next = []
    this.#nowMs += otherMs
    for (const call of calls) {
      call()
      await settled()
    }
    await settled()
  }

  /** How many turns pass until a check has run. */
  async turnsUntil (name: string): Promise<number> {
    let turns = 0
    for (; !this.served.includes(name) && turns < 5_000; turns++) await this.turn()
    return turns
  }
}

const times = (count: number, call: (n: number) => void): void => { for (let n = 0; n < count; n++) call(n) }
const perTurn = QUEUE_LIMITS.perTurnMs / 0.25

t.test('one turn of the event loop has a bounded time of verification, not a number of checks', async (t) => {
  const quick = new Scene()
  times(20, (n) => quick.present(`${n}`))
  t.equal(quick.served.length, perTurn, 'at once, while there is time')
  await quick.turn()
  t.equal(quick.served.length, 2 * perTurn)
  const slow = new Scene()
  times(20, (n) => slow.present(`${n}`, { tookMs: 3 }))
  t.equal(slow.served.length, 1, 'a slow algorithm: one')
  await slow.turn()
  t.equal(slow.served.length, 2, 'and always one')
  for (let n = 2; n < 20; n++) await slow.turn()
  t.same(slow.served, Array.from({ length: 20 }, (_, n) => `${n}`), 'one line is served in order')
  await slow.turn()
  slow.present('idle again')
  t.equal(slow.served.at(-1), 'idle again', 'at once')
})

t.test('while there is other work, checks have half of the time: a server accepts one connection in a turn', async (t) => {
  const quick = new Scene()
  times(200, (n) => quick.present(`${n}`))
  for (let turn = 0; turn < 40; turn++) await quick.turn(0.25)
  t.equal(quick.served.length, perTurn + 40, 'as much as the other work')
  const slow = new Scene()
  times(20, (n) => slow.present(`${n}`, { tookMs: 3 }))
  const servedBy: number[] = []
  for (let turn = 0; turn < 12; turn++) {
    await slow.turn(0.5)
    servedBy.push(slow.served.length)
  }
  t.same(servedBy, [1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3, 3], 'a slow check, then turns without one')
  await slow.turn()
  t.equal(slow.served.length, 4, 'at once when there is no other work')
  const responding = new Scene()
  times(200, (n) => responding.present(`${n}`, { responseMs: 0.5 }))
  for (let turn = 0; turn < 40; turn++) await responding.turn(0.25)
  t.ok(responding.served.length < perTurn + 20, `${responding.served.length}: the responses that the checks set off count as theirs`)
  const direct = new Scene()
  for (let n = 0; n < 8; n++) {
    direct.present(`${n}`, { tookMs: 3 })
    await direct.turn(0.5)
  }
  t.equal(direct.served.length, 2, 'also where nobody waits yet')
})

t.test('flood from one address: another address waits for one check of it, not for all', async (t) => {
  const scene = new Scene()
  times(1000, (n) => scene.present(`flood ${n}`, { address: '192.0.2.66' }))
  times(20, (n) => scene.present(`good ${n}`, { address: `198.51.100.${n}` }))
  for (let turn = 0; turn < 11; turn++) await scene.turn()
  t.ok(scene.served.filter((name) => name.startsWith('good')).length >= 17, 'one check of the flood for a round of the others')
})

t.test('flood from one address, beyond the bound: the flood loses its oldest, others always have room', async (t) => {
  const scene = new Scene()
  times(3000, (n) => scene.present(`flood ${n}`, { address: '192.0.2.66' }))
  times(20, (n) => scene.present(`good ${n}`, { address: `198.51.100.${n}` }))
  t.equal(scene.queue.length, QUEUE_LIMITS.waiting)
  for (let turn = 0; turn < 30; turn++) await scene.turn()
  t.ok(scene.served.filter((name) => name.startsWith('good')).length >= 17, 'all but those that share its line by chance')
  t.equal(scene.refused.length, 3020 - perTurn - QUEUE_LIMITS.waiting)
  t.ok(scene.refused.every((line) => /^flood \d+ overloaded$/.test(line)))
})

t.test('random clients from one address have the line of that address, and no more', async (t) => {
  const scene = new Scene()
  times(3000, (n) => scene.present(`flood ${n}`, { address: '192.0.2.66', client: `random-${n}` }))
  times(20, (n) => scene.present(`good ${n}`, { address: `198.51.100.${n}` }))
  for (let turn = 0; turn < 30; turn++) await scene.turn()
  const good = scene.served.filter((name) => name.startsWith('good')).length
  t.ok(good >= 17, `${good} of 20 among the first ${scene.served.length}: all whose address does not share the line of the flood by chance`)
})

t.test('flood from thousands of addresses: a known caller has a share of its own, whatever client the flood names', async (t) => {
  const scene = new Scene()
  times(5000, (n) => scene.present(`flood ${n}`, { address: `10.${n >> 8}.${n & 255}.1`, client: 'victim' }))
  scene.present('good', { client: 'victim', standing: 'known' })
  scene.present('new', { address: '198.51.100.7', client: 'never seen' })
  t.equal(await scene.turnsUntil('good'), 1)
  t.ok(await scene.turnsUntil('new') * perTurn <= QUEUE_LIMITS.waiting + perTurn, 'a new one waits its turn among the others')
})

t.test('one gateway without TRUST_PROXY: all have one address; a client at work is served at once, ' +
  'a new one in its own line', async (t) => {
  const scene = new Scene()
  times(1000, (n) => scene.present(`flood ${n}`, { client: 'attacker' }))
  scene.present('known', { client: 'victim', standing: 'known' })
  times(20, (n) => scene.present(`new ${n}`, { client: `newcomer-${n}` }))
  for (let turn = 0; turn < 40; turn++) await scene.turn()
  t.ok(scene.served.includes('known') && scene.served.indexOf('known') <= 2 * perTurn)
  t.ok(
    scene.served.filter((name) => name.startsWith('new')).length >= 10,
    'all but those whose client shares the line of the flood by chance'
  )
  const random = new Scene()
  times(3000, (n) => random.present(`flood ${n}`, { client: `random-${n}` }))
  random.present('known', { client: 'victim', standing: 'known' })
  t.equal(await random.turnsUntil('known'), 1)
})

t.test('a share is full when its estimated time is: slow algorithms fill it with fewer', async (t) => {
  const scene = new Scene()
  times(40, (n) => { scene.present(`slow ${n}`, { tookMs: 5 }) })
  while (scene.queue.length > 0) await scene.turn()
  await scene.turn()
  times(600, (n) => scene.present(`more ${n}`, { tookMs: 5 }))
  t.ok(scene.queue.length < 300 && scene.queue.length >= 200, `${scene.queue.length} wait, for at most ${QUEUE_LIMITS.waitingMs} ms`)
})

t.test('the share of suspects is full earlier: those among them who do not attack wait less', async (t) => {
  const scene = new Scene()
  times(40, (n) => { scene.present(`slow ${n}`, { tookMs: 5, standing: 'suspect' }) })
  while (scene.queue.length > 0) await scene.turn()
  await scene.turn()
  times(600, (n) => scene.present(`more ${n}`, { tookMs: 5, standing: 'suspect' }))
  t.ok(scene.queue.length < 75 && scene.queue.length >= 50, `${scene.queue.length} wait, for at most ${QUEUE_LIMITS.suspectsWaitingMs} ms`)
})

t.test('what nobody waits for any more is not verified, waiting or not', async (t) => {
  const scene = new Scene()
  let gone = false
  times(10, (n) => scene.present(`${n}`, { gone: () => gone && n % 2 === 1 }))
  gone = true
  while (scene.queue.length > 0) await scene.turn()
  t.same(scene.served, ['0', '1', '2', '3', '4', '6', '8'])
  t.same(scene.refused, ['5 overloaded', '7 overloaded', '9 overloaded'])
  await scene.turn()
  scene.present('left', { gone: () => true })
  await scene.turn()
  t.equal(scene.refused.at(-1), 'left overloaded')
})

t.test('in plain numbers: 1,024 wait in a share, 700 ms at the longest, and who is refused may come again in one second', async (t) => {
  const scene = new Scene()
  times(2_000, (n) => scene.present(`${n}`))
  t.equal(scene.queue.length, 1_024)
  const patient = new Scene()
  times(12, (n) => patient.present(`${n}`, { tookMs: 1 }))
  await patient.turn(700)
  t.equal(patient.served.length, 2, 'one at once, one after 700 ms')
  await patient.turn(0)
  t.same([patient.served.length, patient.refused.length, patient.queue.length], [2, 10, 0], 'after 701 ms')
  const refusal: unknown = await new VerificationQueue().enter({
    caller: { address: '', client: '' }, arrive: () => 'new', standing: () => 'new', isAbandoned: () => true,
    run: () => t.fail('nobody waits')
  }).catch((error: unknown) => error)
  t.match(refusal, { statusCode: 503, reason: 'overloaded', retryAfterSeconds: 1 })
})

t.test('a share holds as many checks as take a second, that of suspects as take a quarter of it', async (t) => {
  for (const [standing, tookMs, holds] of [['new', 0.98, 1_021], ['known', 0.98, 1_021], ['suspect', 0.2449, 1_021]] as const) {
    const scene = new Scene()
    times(400, (n) => scene.present(`before ${n}`, { tookMs, standing }))
    while (scene.queue.length > 0) await scene.turn()
    times(1_100, (n) => scene.present(`${n}`, { tookMs, standing }))
    t.equal(scene.queue.length, holds, standing)
  }
})

t.test('what is owed to other work is paid by a turn that has none, however little it is', async (t) => {
  const scene = new Scene()
  scene.present('first', { tookMs: 0.5 })
  await scene.turn()
  await scene.turn()
  times(3, (n) => scene.present(`${n}`, { tookMs: 0.4 }))
  t.equal(scene.served.length, 4, '0.8 ms in this turn before the last of them')
})

t.test('a check that took long, by a pause of the process, counts as one of 10 ms', async (t) => {
  const scene = new Scene()
  scene.present('long', { tookMs: 50 })
  times(400, (n) => scene.present(`${n}`, { standing: 'suspect' }))
  t.equal(scene.queue.length, Math.ceil(QUEUE_LIMITS.suspectsWaitingMs / (0.1 + (10 - 0.1) / 16)), 'by the average of 0.1 ms and this one')
})

t.test('other work that takes less than 0.03 ms in a turn is none; what takes longer has its time', async (t) => {
  for (const [otherMs, served] of [[0.02, 3], [0.04, 1]] as const) {
    const scene = new Scene()
    times(10, (n) => scene.present(`${n}`, { tookMs: 3 }))
    await scene.turn(otherMs)
    await scene.turn(otherMs)
    t.equal(scene.served.length, served, `${otherMs} ms`)
  }
})

t.test('a queue that was idle for a while serves as it did at first', async (t) => {
  const scene = new Scene()
  for (let round = 1; round <= 3; round++) {
    times(20, (n) => scene.present(`${round} ${n}`))
    t.equal(scene.served.length, 20 * (round - 1) + perTurn, 'at once, while there is time')
    for (let turn = 0; turn < 10; turn++) await scene.turn()
    t.same({ served: scene.served.length, waiting: scene.queue.length }, { served: 20 * round, waiting: 0 })
  }
})

t.test('one pause of the process during a check does not shorten the queue as a slow algorithm does', async (t) => {
  const scene = new Scene()
  scene.present('paused', { tookMs: 500, standing: 'suspect' })
  await scene.turn()
  times(600, (n) => scene.present(`${n}`, { standing: 'suspect' }))
  t.ok(scene.queue.length > 300, `${scene.queue.length} wait`)
})

t.test('a failure is the failure of one, at once or later', async (t) => {
  const queue = new VerificationQueue()
  const outcomes = await Promise.allSettled(Array.from({ length: 100 }, async (_, n) => queue.enter({
    caller: { address: '', client: '' }, arrive: () => 'new', standing: () => 'new', isAbandoned: () => false,
    run: () => {
      for (const end = performance.now() + 0.1; performance.now() < end;);
      if (n % 3 === 0) throw new Error(`no ${n}`)
    }
  })))
  t.same(outcomes.map((one) => one.status === 'rejected' ? (one.reason as Error).message : 'done'),
    Array.from({ length: 100 }, (_, n) => n % 3 === 0 ? `no ${n}` : 'done'))
})

t.test('the lines of an empty queue, and networks: an IPv6 caller is its first 64 bits', async (t) => {
  const lines = new FairLines<number>()
  t.same([lines.shift(), lines.dropFromLongest(), lines.length], [undefined, undefined, 0])
  lines.push({ address: 'a', client: 'b' }, 1)
  t.same([lines.dropFromLongest(), lines.shift(), lines.length], [1, undefined, 0])
  for (const [address, network] of [
    ['192.0.2.1', '192.0.2.1'], ['::ffff:192.0.2.1', '::ffff:192.0.2.1'], ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1:2::9', '2001:db8:1:2'], ['::1', '0:0:0:0'], ['::', '0:0:0:0'], ['2001::a:b:c:d:e', '2001:0:0:a'], ['', '']
  ] as const) t.equal(networkOf(address), network, address)
})

t.test('a caller is known while a token of it is valid and ten minutes more, from its address only; the number is bounded', async (t) => {
  let nowMs = 0
  const callers = new KnownCallers(() => nowMs)
  const caller = { address: '192.0.2.1', client: 'c' }
  callers.add(caller, 300_000)
  callers.add(caller, 200_000)
  t.equal(callers.standingOf(caller), 'known')
  t.equal(callers.standingOf({ ...caller, address: '192.0.2.2' }), 'new')
  t.equal(callers.standingOf({ ...caller, client: 'd' }), 'new')
  nowMs = 300_000 + KNOWN_CALLERS_LIMITS.afterTokenMs - 1
  t.equal(callers.standingOf(caller), 'known', 'by the token that ends last')
  nowMs++
  t.equal(callers.standingOf(caller), 'new')
  t.equal(callers.standingOf(caller), 'new', 'and forgotten')
  callers.add(caller, nowMs)
  times(KNOWN_CALLERS_LIMITS.callers, (n) => callers.add({ address: `${n}`, client: 'c' }, nowMs))
  t.equal(callers.standingOf(caller), 'new', 'the longest known has left')
  t.equal(callers.standingOf({ address: '0', client: 'c' }), 'known')
})

t.test('an address that has sent a bad signature is suspect for ten seconds, whatever client it names; ' +
  'known callers remain known', async (t) => {
  let nowMs = 0
  const callers = new KnownCallers(() => nowMs)
  callers.add({ address: '2001:db8::1', client: 'at work' }, 300_000)
  callers.suspect({ address: '2001:db8::1', client: 'a' })
  t.equal(callers.standingOf({ address: '2001:db8::2', client: 'b' }), 'suspect', 'the network of the address')
  t.equal(callers.standingOf({ address: '2001:db8::1', client: 'at work' }), 'known')
  t.equal(callers.standingOf({ address: '2001:db8:0:1::1', client: 'b' }), 'new')
  nowMs = KNOWN_CALLERS_LIMITS.suspectMs
  t.equal(callers.standingOf({ address: '2001:db8::2', client: 'b' }), 'new')
  callers.suspect({ address: 'first', client: '' })
  times(KNOWN_CALLERS_LIMITS.networks, (n) => callers.suspect({ address: `${n}`, client: '' }))
  t.equal(callers.standingOf({ address: 'first', client: '' }), 'new', 'bounded')
})

t.test('flood from thousands of addresses that have sent bad signatures: a new caller does not wait among them', async (t) => {
  const scene = new Scene()
  times(5000, (n) => scene.present(`flood ${n}`, { address: `10.${n >> 8}.${n & 255}.1`, client: 'victim', standing: 'suspect' }))
  times(20, (n) => scene.present(`new ${n}`, { address: `198.51.100.${n}`, client: 'victim' }))
  for (let turn = 0; turn < 10; turn++) await scene.turn()
  t.equal(scene.served.filter((name) => name.startsWith('new')).length, 20)
  // The first ran at once.
  const before = scene.served.slice(perTurn, scene.served.findLastIndex((name) => name.startsWith('new')))
  const floods = before.filter((name) => name.startsWith('flood')).length
  t.ok(floods >= 4 && floods <= 6, `four turns of five are theirs, and the suspects have theirs: ${floods} of ${before.length}`)
  t.ok(scene.served.length > 30, 'who have all, when nobody else waits')
})

t.test('a new caller that becomes suspect while it waits, waits on among suspects: other new ones do not wait for it', async (t) => {
  const scene = new Scene()
  const suspects = new Set<string>()
  times(500, (n) => {
    const address = `10.0.0.${n % 50}`
    scene.present(`flood ${n}`, { address, later: () => suspects.has(address) ? 'suspect' : 'new' })
  })
  times(20, (n) => scene.present(`new ${n}`, { address: `198.51.100.${n}` }))
  times(50, (n) => suspects.add(`10.0.0.${n}`))
  for (let turn = 0; turn < 10; turn++) await scene.turn()
  t.equal(scene.served.filter((name) => name.startsWith('new')).length, 20)
  t.equal(scene.queue.length, 520 - scene.served.length, 'none of them was lost')
  while (scene.queue.length > 0) await scene.turn()
  t.same([scene.served.length, scene.refused.length], [520, 0])
})

t.test('among suspects, those that become suspect while they wait have no more room than others', async (t) => {
  const scene = new Scene()
  times(1024, (n) => scene.present(`suspect ${n}`, { address: `10.0.${n >> 8}.${n & 255}`, standing: 'suspect' }))
  times(1000, (n) => scene.present(`flood ${n}`, { address: '192.0.2.66', later: () => 'suspect' }))
  await scene.turn()
  t.equal(scene.queue.length, QUEUE_LIMITS.waiting - perTurn)
  t.equal(scene.refused.length, 1000 - perTurn, 'the others')
})

t.test('known callers beside suspects have four turns of five: what new ones do not need is theirs', async (t) => {
  const scene = new Scene()
  times(200, (n) => scene.present(`flood ${n}`, { client: `random-${n}`, standing: 'suspect' }))
  times(20, (n) => scene.present(`known ${n}`, { address: `198.51.100.${n}`, standing: 'known' }))
  for (let turn = 0; turn < 10; turn++) await scene.turn()
  const before = scene.served.slice(perTurn, scene.served.findLastIndex((name) => name.startsWith('known')))
  t.equal(before.filter((name) => name.startsWith('known')).length, 19)
  const floods = before.filter((name) => name.startsWith('flood')).length
  t.ok(floods >= 4 && floods <= 6, `${floods} of ${before.length}`)
})

t.test('a caller becomes known: what it has presented before is promoted, and what others have presented is not', async (t) => {
  const scene = new Scene()
  times(900, (n) => scene.present(`flood ${n}`, { client: `random-${n}`, standing: 'suspect' }))
  times(20, (n) => scene.present(`mine ${n}`, { client: 'victim', standing: n < 10 ? 'suspect' : 'new' }))
  scene.queue.promote({ address: '192.0.2.1', client: 'victim' })
  t.equal(scene.queue.length, 920 - perTurn)
  for (let turn = 0; turn < 12; turn++) await scene.turn()
  t.equal(scene.served.filter((name) => name.startsWith('mine')).length, 20)
})

t.test('a check that has waited longer than its caller waits is not done, and does not use up the turn of its line', async (t) => {
  const scene = new Scene()
  times(20, (n) => scene.present(`old ${n}`))
  await scene.turn(QUEUE_LIMITS.longestWaitMs + 1)
  scene.present('fresh')
  while (scene.queue.length > 0) await scene.turn()
  t.ok(scene.served.includes('fresh'))
  t.equal(scene.refused.length, 20 - perTurn)
  t.ok(scene.refused.every((line) => /^old \d+ overloaded$/.test(line)))
})

t.test('lines: a caller with few requests comes before those with many, once in a round', async (t) => {
  const orders = Array.from({ length: 20 }, () => {
    const lines = new FairLines<string>()
    times(3, (n) => lines.push({ address: 'a', client: 'many' }, `many ${n}`))
    const order = [lines.shift()]
    lines.push({ address: 'a', client: 'few' }, 'few 0')
    order.push(lines.shift())
    lines.push({ address: 'a', client: 'few' }, 'few 1')
    return [...order, lines.shift(), lines.shift(), lines.shift()].join(', ')
  })
  const expected = orders.filter((order) => order === 'many 0, few 0, many 1, few 1, many 2')
  t.ok(expected.length >= 17, `${expected.length} of 20: in the others both share one line by chance`)
})

t.test('lines: where there is no room, the longest loses its oldest; among equals chance decides', async (t) => {
  const lines = new FairLines<string>()
  times(3, (n) => lines.push({ address: 'long', client: 'c' }, `long ${n}`))
  times(50, (n) => lines.push({ address: `short ${n}`, client: 'c' }, `short ${n}`))
  const first = lines.dropFromLongest()
  t.match(first, /^long 0$|^short/, 'short ones that share a line by chance can be as long')
  const dropped = new Set<string>()
  for (let round = 0; round < 200; round++) {
    const few = new FairLines<string>()
    few.push({ address: 'a', client: 'front' }, 'front')
    few.push({ address: 'a', client: 'back' }, 'back')
    dropped.add(few.dropFromLongest() ?? '')
  }
  t.same([...dropped].sort(), ['back', 'front'])
})

t.test('the client that a token names, for the choice of a line', async (t) => {
  const token = (claims: string): string => `e30.${Buffer.from(claims).toString('base64url')}.c2ln`
  for (const [claims, client] of [
    ['{"azp":"a","client_id":"b"}', 'a'], ['{"client_id" : "b"}', 'b'], ['{"azp":"ä"}', 'ä'], ['{"azp":"a\\u0062"}', ''], ['{}', ''],
    ['{"azp":1}', '']
  ] as const) t.equal(unverifiedClientOf(token(claims)), client, claims)
  for (const text of ['', '.', 'a.b', 'a..b', '%%%']) t.equal(unverifiedClientOf(text), '', text)
})
