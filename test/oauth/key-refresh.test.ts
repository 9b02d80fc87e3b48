import t, { type Test } from 'tap'
import { Keyring } from '../../src/oauth/keyring.ts'
import { KeySetError, type FetchKeySet, type KeySetErrorDetails, type WantedKey } from '../../src/oauth/key-set-source.ts'
import type { Refusal } from '../../src/oauth/errors.ts'
import type { VerificationKey } from '../../src/oauth/key-set.ts'
import { FakeClock } from '../support/clock.ts'
import { newKey, type SigningKey } from '../support/issuer.ts'

const first = newKey('ES256', 'first')
const second = newKey('ES256', 'second')

const lists = (...keys: readonly SigningKey[]): FetchKeySet => async () => ({ text: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }) })
const fails = (message: string, details?: KeySetErrorDetails): FetchKeySet => async () => { throw new KeySetError(message, details) }
const hangs: FetchKeySet = async () => new Promise(() => undefined)

interface Scene {
  readonly clock: FakeClock
  readonly keyring: Keyring
  /** What each fetch was for, in order. */
  readonly wanted: WantedKey[]
  /** At which time each fetch began. */
  readonly begunAtMs: number[]
  readonly events: string[]
  /** The issuer from now on; each response takes so long. */
  issuer: FetchKeySet
  tookMs: number
  pass: (ms: number) => Promise<void>
}

/** A timer of Node that is set to no finite time fires at once. */
function finite (clock: FakeClock): FakeClock {
  const { after } = clock
  clock.after = (delayMs, call) => {
    if (!Number.isFinite(delayMs) || delayMs < 0) t.fail(`a timer of ${delayMs} ms`)
    return after(delayMs, call)
  }
  return clock
}

/** A keyring that was started, over an issuer without a network. */
async function scene (t: Test, issuer: FetchKeySet, options: { refreshSeconds?: number, maxStaleHours?: number } = {}): Promise<Scene> {
  const clock = finite(new FakeClock())
  const one: Scene = {
    clock, issuer, tookMs: 0, wanted: [], begunAtMs: [], events: [],
    keyring: new Keyring({
      fetchKeySet: async (wanted) => {
        const { issuer: responding, tookMs } = one
        one.wanted.push(wanted)
        one.begunAtMs.push(clock.nowMs())
        if (tookMs > 0) await new Promise<void>((resolve) => { clock.after(tookMs, resolve) })
        return await responding(wanted)
      },
      refreshSeconds: 60,
      maxStaleHours: 24,
      clock,
      events: {
        fetched: (durationMs, known, error) => {
          if (durationMs > 0) one.events.push(`fetched in ${durationMs}, ${known} known, ${error}`)
        },
        unavailable: (error, known, status) => one.events.push(`unavailable, ${known} known: ${error}, ${status}`),
        available: (afterMs) => one.events.push(`available after ${afterMs}`),
        keysLoaded: (kids) => one.events.push(`loaded ${kids.join()}`),
        keysChanged: (added, removed) => one.events.push(`added ${added.join()} removed ${removed.join()}`),
        keysAmbiguous: (kids) => one.events.push(`ambiguous ${kids.join()}`),
        keysExpired: (removed) => one.events.push(`expired ${removed.join()}`)
      },
      ...options
    }),
    pass: async (ms) => {
      await turn()
      await clock.pass(ms, turn)
    }
  }
  t.teardown(() => { one.keyring.stop() })
  await one.keyring.start()
  return one
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/** What becomes of a token with this header: the key, or the refusal; undefined while it waits. */
function ask ({ keyring }: Scene, kid: string, alg = 'ES256'): { outcome: VerificationKey | Refusal | undefined } {
  const asked: ReturnType<typeof ask> = { outcome: undefined }
  new Promise<VerificationKey>((resolve) => { resolve(keyring.key(kid, alg)) })
    .then((key) => { asked.outcome = key }, (error: Refusal) => { asked.outcome = error })
  return asked
}

t.test('two fetches for an unknown key, both over new connections and after the one that was under way', async (t) => {
  const one = await scene(t, lists(first))
  one.tookMs = 1_000
  await one.pass(one.clock.nextInMs ?? 0)
  t.equal(one.wanted.length, 2, 'the refresh is under way')
  const asked = ask(one, 'second')
  await one.pass(1_500)
  one.issuer = lists(first, second)
  await one.pass(500)
  t.equal(asked.outcome, undefined, 'the first of its own: one node does not list it')
  await one.pass(1_000)
  t.match(asked.outcome, { kid: 'second' })
  t.same(one.wanted.slice(2), Array.from({ length: 2 }, () => ({ kid: 'second', alg: 'ES256', newConnection: true })))
})

t.test('who has waited 5 s is refused for the key, where the issuer has responded meanwhile', async (t) => {
  const one = await scene(t, lists(first))
  one.tookMs = 1_000
  const asked = ask(one, 'invented')
  await one.pass(500)
  one.issuer = hangs
  await one.pass(4_499)
  t.equal(asked.outcome, undefined)
  await one.pass(1)
  t.match(asked.outcome, { statusCode: 401, reason: 'key_unknown' })
})

t.test('a spent budget does not put off a refresh that is due earlier', async (t) => {
  const one = await scene(t, lists(first), { refreshSeconds: 3 })
  for (const kid of ['a', 'b', 'c']) {
    const asked = ask(one, kid)
    await turn()
    t.match(asked.outcome, { reason: 'key_unknown' })
  }
  t.equal(one.wanted.length, 3, 'none for the third of them')
  await one.pass(3_000)
  t.same(one.wanted.slice(3), [{ kid: '', alg: undefined, newConnection: false }], 'the refresh, after 80 to 91 % of its interval')
})

t.test('what a spent budget fetches later is for no key in particular, over a new connection', async (t) => {
  const one = await scene(t, lists(first))
  for (const kid of ['a', 'b', 'c']) {
    ask(one, kid)
    await turn()
  }
  t.equal(one.wanted.length, 3)
  await one.pass(5_000)
  t.same(one.wanted.slice(3), [{ kid: '', alg: undefined, newConnection: true }])
})

t.test('the refusal of a known kid names the algorithms that it is for', async (t) => {
  const { alg, ...jwk } = newKey('RS256', 'rsa').jwk as { alg: string }
  const one = await scene(t, lists({ ...first, jwk }))
  const asked = ask(one, 'rsa')
  await turn()
  t.equal(alg, 'RS256')
  t.match(asked.outcome, {
    reason: 'algorithm_mismatch', detail: /^alg ES256, the key "?rsa"? is for RS256 RS384 RS512 PS256 PS384 PS512$/
  })
})

t.test('without keys every token is refused until there are some; the seconds to the next attempt: rounded up, 1 at least', async (t) => {
  const one = await scene(t, fails('status 503', { retryAfterMs: 30_000 }))
  const seconds = (): unknown => one.keyring.refusalWithoutKeys()?.retryAfterSeconds
  t.match(one.keyring.refusalWithoutKeys(), { statusCode: 503, reason: 'issuer_unavailable' })
  t.equal(seconds(), 30)
  await one.pass(999)
  t.equal(seconds(), 30)
  await one.pass(1)
  t.equal(seconds(), 29)
  await one.pass(28_001)
  t.equal(seconds(), 1)
  const late = new FakeClock()
  await late.pass(40_000)
  const { nowMs } = one.clock
  one.clock.nowMs = late.nowMs
  t.equal(seconds(), 1, 'the process was busy when the attempt was due')
  one.clock.nowMs = nowMs
  one.tookMs = 1_000
  one.issuer = lists(first)
  await one.pass(999)
  t.equal(one.wanted.length, 2)
  t.equal(seconds(), 1, 'under way')
  await one.pass(1_000)
  t.equal(one.keyring.refusalWithoutKeys(), undefined)
})

t.test('the age of the key set is the time since the response was received', async (t) => {
  const one = await scene(t, lists(first))
  one.tookMs = 100
  await one.pass(54_000)
  t.equal(one.keyring.state().ageMs, 54_000 - (one.begunAtMs.at(-1) ?? 0) - 100)
})

t.test('keys that are too old count no longer at once, even if no fetch has ended since', async (t) => {
  const one = await scene(t, lists(first), { maxStaleHours: 1 })
  await one.pass(one.clock.nextInMs ?? 0)
  t.equal(one.wanted.length, 2, 'a good response, from which they count')
  one.issuer = hangs
  await one.pass(3_600_000)
  t.equal(one.keyring.state().knownKeys, 1)
  await one.pass(1)
  t.match(one.keyring.state(), { knownKeys: 0, available: true })
  t.same(one.events, ['loaded first', 'expired first'])
  t.equal(one.keyring.state().knownKeys, 0)
  t.equal(one.events.length, 2, 'which is said once')
})

t.test('keys live for two refreshes at least, however few hours they may be stale', async (t) => {
  const one = await scene(t, lists(first), { maxStaleHours: 0, refreshSeconds: 60 })
  one.issuer = hangs
  await one.pass(120_000)
  t.equal(one.keyring.state().knownKeys, 1)
  await one.pass(1)
  t.equal(one.keyring.state().knownKeys, 0)
})

t.test('the end of each fetch is told: how long it took, which keys are in use, the error', async (t) => {
  const one = await scene(t, lists(first))
  one.tookMs = 300
  one.issuer = lists(first, second)
  await one.pass(one.clock.nextInMs ?? 0)
  await one.pass(300)
  t.same(one.events.splice(0), ['loaded first', 'added second removed ', 'fetched in 300, 2 known, undefined'])
  one.issuer = fails('status 500')
  await one.pass(one.clock.nextInMs ?? 0)
  await one.pass(300)
  t.same(one.events.sort(), ['fetched in 300, 2 known, status 500', 'unavailable, 2 known: status 500, undefined'])
})

t.test('an outage lasts from the request that failed first to the response that was good', async (t) => {
  const one = await scene(t, lists(first))
  one.tookMs = 200
  one.issuer = fails('status 500')
  await one.pass(60_000)
  const begunAtMs = one.begunAtMs[1] ?? 0
  one.issuer = lists(first)
  await one.pass(10_000)
  const goodAtMs = (one.begunAtMs.find((atMs) => atMs > 60_000) ?? 0) + 200
  t.equal(one.events.find((event) => event.startsWith('available')), `available after ${goodAtMs - begunAtMs}`)
})

t.test('an outage is told when it begins, and once more when it turns out to be a 404', async (t) => {
  const one = await scene(t, fails('status 500', { status: 500 }))
  await one.pass(10_000)
  one.issuer = fails('status 404', { status: 404 })
  await one.pass(10_000)
  one.issuer = fails('status 502', { status: 502 })
  await one.pass(10_000)
  one.issuer = fails('status 404', { status: 404 })
  await one.pass(10_000)
  t.same(one.events, ['unavailable, 0 known: status 500, 500', 'unavailable, 0 known: status 404, 404'])
  t.equal(one.keyring.state().error, 'status 404', 'the last error')
  one.issuer = lists(first)
  await one.pass(10_000)
  one.issuer = fails('status 404', { status: 404 })
  await one.pass(120_000)
  t.equal(one.events.filter((event) => event.startsWith('unavailable')).length, 3, 'the next outage is another one')
})

t.test('two different keys under one name are told once, and again when it happens again', async (t) => {
  const twice = [first, second, newKey('ES256', 'second')]
  const one = await scene(t, lists(...twice))
  await one.pass(180_000)
  const told = (): number => one.events.filter((event) => event.startsWith('ambiguous')).length
  t.same(one.events, ['loaded first', 'ambiguous second'])
  one.issuer = lists(first, second, newKey('ES256', 'second'), newKey('ES256', 'third'), newKey('ES256', 'third'))
  await one.pass(60_000)
  t.equal(one.events.at(-1), 'ambiguous second,third')
  one.issuer = lists(first)
  await one.pass(60_000)
  t.equal(told(), 2)
  one.issuer = lists(...twice)
  await one.pass(60_000)
  t.equal(told(), 3)
})

t.test('a missing key whose confirmation never ends is withdrawn by the clock alone', async (t) => {
  const one = await scene(t, lists(first, second))
  one.issuer = lists(second)
  await one.pass(one.clock.nextInMs ?? 0)
  t.equal(one.wanted.length, 2)
  t.equal(one.wanted[1]?.newConnection, false, 'a refresh')
  one.issuer = hangs
  await one.pass(1_999)
  t.equal(one.wanted.length, 2)
  await one.pass(1)
  t.same(one.wanted.slice(2), [{ kid: '', alg: undefined, newConnection: true }], 'the confirmation')
  await one.pass(65_000 - one.clock.nowMs() - 1)
  t.same(one.keyring.kids, ['first', 'second'])
  await one.pass(1)
  t.same(one.keyring.kids, ['second'], '65 s after the request for the last response that listed it')
  t.same(one.events, ['loaded first,second', 'added  removed first'])
})

t.test('a stopped keyring is silent: neither a failure that comes late nor a good response sets anything going', async (t) => {
  for (const late of [fails('stopped'), lists(first, second)]) {
    const one = await scene(t, lists(first))
    one.tookMs = 1_000
    one.issuer = late
    await one.pass(52_000)
    t.equal(one.wanted.length, 2, 'under way')
    one.keyring.stop()
    await one.pass(600_000)
    t.equal(one.wanted.length, 2)
    t.equal(one.clock.nextInMs, undefined)
    t.notOk(one.events.some((event) => event.startsWith('unavailable')))
  }
})

t.test('a stopped keyring has no timer for the end of a missing key, whether its withdrawal was confirmed or not', async (t) => {
  for (const [ms, kids] of [[0, 'first,second'], [3_000, 'second']] as const) {
    const one = await scene(t, lists(first, second))
    one.issuer = lists(second)
    await one.pass(one.clock.nextInMs ?? 0)
    await one.pass(ms)
    t.equal(one.keyring.kids.join(), kids)
    const { length } = one.events
    one.keyring.stop()
    t.equal(one.clock.nextInMs, undefined)
    await one.pass(600_000)
    t.equal(one.events.length, length)
  }
})

t.test('each missing key ends at a time of its own, while a fetch never ends', async (t) => {
  const third = newKey('ES256', 'third')
  const one = await scene(t, lists(first, second, third))
  one.issuer = lists(second, third)
  await one.pass(one.clock.nextInMs ?? 0)
  const listedAtMs = one.clock.nowMs()
  one.issuer = async (wanted) => {
    one.issuer = hangs
    return await lists(third)(wanted)
  }
  await one.pass(65_000 - listedAtMs - 1)
  t.same(one.keyring.kids, ['first', 'second', 'third'])
  await one.pass(1)
  t.same(one.keyring.kids, ['second', 'third'])
  await one.pass(listedAtMs - 1)
  t.same(one.keyring.kids, ['second', 'third'])
  await one.pass(1)
  t.same(one.keyring.kids, ['third'], '65 s after the request for the last response that listed it')
  t.same(one.events.slice(1), ['added  removed first', 'added  removed second'])
})

t.test('a confirmation that fails is not repeated at once, but by the schedule of retries', async (t) => {
  const one = await scene(t, lists(first, second))
  one.issuer = lists(second)
  await one.pass(one.clock.nextInMs ?? 0)
  one.issuer = fails('status 500')
  await one.pass(2_000)
  t.equal(one.wanted.length, 3, 'the confirmation')
  await one.pass(4_999)
  t.equal(one.wanted.length, 3)
  await one.pass(1_001)
  t.equal(one.wanted.length, 4, 'after 5 to 6 s')
})

t.test('before the first response the issuer does not count as available: an unknown key is its fault', async (t) => {
  const keyring = new Keyring({ fetchKeySet: hangs, refreshSeconds: 60, maxStaleHours: 24, clock: new FakeClock() })
  t.teardown(() => { keyring.stop() })
  void keyring.start()
  t.same(keyring.state(), { knownKeys: 0, available: false, ageMs: undefined, error: undefined })
})

t.test('a fetch begins no part of a millisecond too early', async (t) => {
  const one = await scene(t, lists(first))
  await one.pass(0.5)
  ask(one, 'a')
  await one.pass(0.25)
  ask(one, 'b')
  await one.pass(6_000)
  t.equal(one.begunAtMs.length, 4)
  t.ok((one.begunAtMs[3] ?? 0) >= 5_000.5, `${one.begunAtMs.join()}: one for each interval of 5 s`)
})

t.test('nobody has to listen to what happens to the keys', async (t) => {
  const clock = new FakeClock()
  let issuer = lists(first, second, newKey('ES256', 'second'))
  const keyring = new Keyring({
    fetchKeySet: async (wanted) => issuer(wanted), refreshSeconds: 60, maxStaleHours: 1, clock
  })
  t.teardown(() => { keyring.stop() })
  await keyring.start()
  t.same(keyring.kids, ['first'])
  issuer = lists(second)
  await clock.pass(180_000, turn)
  t.same(keyring.kids, ['second'])
  issuer = fails('status 404', { status: 404 })
  await clock.pass(1_800_000, turn)
  t.match(keyring.state(), { knownKeys: 1, error: 'status 404' })
  await clock.pass(3_600_000, turn)
  t.equal(keyring.state().knownKeys, 0)
  issuer = lists(first)
  await clock.pass(10_000, turn)
  t.match(keyring.state(), { knownKeys: 1, available: true })
})

t.test('a 404 is told once, also in an outage that began with something else or had something else in between', async (t) => {
  for (const [faults, told] of [
    [[500, 404, 500, 404], [500, 404]], [[404, 500, 404], [404]], [[undefined, 404, 404], [undefined, 404]]
  ] as const) {
    const one = await scene(t, lists(first))
    one.events.length = 0
    for (const status of faults) {
      one.issuer = fails('no', { ...status !== undefined && { status } })
      await one.pass(60_000)
    }
    t.same(one.events.filter((event) => event.startsWith('unavailable')), told.map((status) => `unavailable, 1 known: no, ${status}`))
  }
})

t.test('keys that have become too old expire with the next failed fetch, whether anybody asks for one or not', async (t) => {
  const one = await scene(t, lists(first), { maxStaleHours: 1 })
  one.events.length = 0
  one.issuer = fails('down')
  await one.pass(3_599_000)
  t.notMatch(one.events.join(), 'expired')
  await one.pass(120_000)
  t.match(one.events.join(), 'expired')
})
