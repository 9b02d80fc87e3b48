import t, { type Test } from 'tap'
import { InvalidToken, Unavailable } from '../../src/oauth/errors.ts'
import { createGetJwksSource } from '../../src/oauth/get-jwks-source.ts'
import { Keyring, type KeyringEvents } from '../../src/oauth/keyring.ts'
import { FakeClock } from '../support/clock.ts'
import { until } from '../support/service.ts'
import { newKey, TestIssuer } from '../support/issuer.ts'

const HOUR_MS = 3_600_000
const first = newKey('ES256', 'first')
const second = newKey('ES256', 'second')

interface Scene {
  readonly issuer: TestIssuer
  readonly clock: FakeClock
  readonly keyring: Keyring
  /** Changes of state, in order. */
  readonly events: string[]
  /** Lets fake time pass; every fetch that a timer starts is over before the next one. */
  pass: (ms: number) => Promise<void>
}

async function scene (t: Test, options: { refreshSeconds?: number, maxStaleHours?: number, broken?: boolean } = {}): Promise<Scene> {
  const issuer = await TestIssuer.start(first)
  if (options.broken === true) breakDown(issuer)
  const clock = new FakeClock()
  const events: string[] = []
  const heard: KeyringEvents = {
    unavailable: (error, known) => events.push(`unavailable, ${known} known: ${error}`),
    available: () => events.push('available'),
    keysLoaded: (kids) => events.push(`loaded ${kids.join()}`),
    keysChanged: (added, removed) => events.push(`added ${added.join()} removed ${removed.join()}`),
    keysAmbiguous: (kids) => events.push(`ambiguous ${kids.join()}`),
    keysExpired: (removed) => events.push(`expired ${removed.join()}`)
  }
  const source = createGetJwksSource({ jwksUrl: issuer.jwksUrl, timeoutMs: 2_000, useEnvProxy: false })
  const keyring = new Keyring({
    fetchKeySet: source.fetchKeySet,
    refreshSeconds: options.refreshSeconds ?? 60,
    maxStaleHours: options.maxStaleHours ?? 24,
    events: heard,
    clock
  })
  t.teardown(async () => {
    keyring.stop()
    await source.close()
    await issuer.stop()
  })
  await keyring.start()
  return { issuer, clock, keyring, events, pass: (ms) => clock.pass(ms, () => keyring.settled()) }
}

function breakDown (issuer: TestIssuer): void {
  issuer.behaviour = (_request, response) => response.writeHead(500).end('{}')
}

async function outcome (keyring: Keyring, kid: string, alg = 'ES256'): Promise<string> {
  try {
    const key = keyring.key(kid, alg)
    return key instanceof Promise ? `asked: ${(await key).kid}` : `known: ${key.kid}`
  } catch (error) {
    if (error instanceof InvalidToken || error instanceof Unavailable) return error.reason
    throw error
  }
}

t.test('the whole set is learnt from the one fetch that get-jwks makes', async (t) => {
  const issuer = await TestIssuer.start(first)
  issuer.published = [first.jwk, second.jwk]
  const source = createGetJwksSource({ jwksUrl: issuer.jwksUrl, timeoutMs: 2_000, useEnvProxy: false })
  const keyring = new Keyring({ fetchKeySet: source.fetchKeySet, refreshSeconds: 60, maxStaleHours: 24 })
  t.teardown(async () => {
    keyring.stop()
    await source.close()
    await issuer.stop()
  })
  const nativeFetch = globalThis.fetch
  const askers: string[] = []
  globalThis.fetch = (...asked) => {
    askers.push(new Error('who asks?').stack ?? '')
    return nativeFetch(...asked)
  }
  await keyring.start().finally(() => { globalThis.fetch = nativeFetch })
  t.equal(issuer.fetches, 1)
  t.match(askers, [/node_modules[\\/]get-jwks/])
  t.equal(issuer.lastRequest?.headers['accept-encoding'], 'identity')
  t.equal(await outcome(keyring, 'first'), 'known: first')
  t.equal(await outcome(keyring, 'second'), 'known: second')
  t.equal(issuer.fetches, 1)
})

t.test('R4: a rotated key is learnt with its first token, and one fetch serves all who ask at once', async (t) => {
  const { issuer, keyring } = await scene(t)
  issuer.published = [first.jwk, second.jwk]
  t.same(
    await Promise.all(Array.from({ length: 100 }, () => outcome(keyring, 'second'))),
    Array.from({ length: 100 }, () => 'asked: second')
  )
  t.equal(issuer.fetches, 2)
})

t.test('R4: a key that is published while a fetch is under way is still learnt at the first try', async (t) => {
  const { issuer, keyring } = await scene(t)
  let late: () => void = () => undefined
  issuer.behaviour = (_request, response) => {
    late = () => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [first.jwk] }))
    issuer.behaviour = undefined
  }
  const before = outcome(keyring, 'other')
  await until(() => issuer.behaviour === undefined)
  issuer.published = [first.jwk, second.jwk]
  const after = outcome(keyring, 'second')
  late()
  t.equal(await after, 'asked: second')
  t.equal(await before, 'key_unknown')
})

t.test('R6: 10,000 invented key ids cost at most 4 fetches in 10 s, and known keys do not wait', async (t) => {
  const { issuer, clock, keyring } = await scene(t)
  const outcomes = new Set<string>()
  for (let step = 0; step < 100; step++) {
    for (const one of await Promise.all(Array.from({ length: 100 }, (_, n) => outcome(keyring, `invented-${step}-${n}`)))) outcomes.add(one)
    t.equal(await outcome(keyring, 'first'), 'known: first')
    await clock.pass(100, () => keyring.settled())
  }
  t.same([...outcomes], ['key_unknown'])
  t.ok(issuer.fetches - 1 <= 4, `${issuer.fetches - 1} fetches`)
})

t.test('R4 in a flood: with the budget spent a rotated key is learnt within 5 s, 401 until then', async (t) => {
  const { issuer, keyring, pass } = await scene(t)
  await outcome(keyring, 'invented-1')
  await outcome(keyring, 'invented-2')
  issuer.published = [first.jwk, second.jwk]
  t.equal(await outcome(keyring, 'second'), 'key_unknown')
  t.equal(issuer.fetches, 3)
  await pass(5_000)
  t.equal(await outcome(keyring, 'second'), 'known: second', 'without another request having asked')
  t.equal(issuer.fetches, 4)
})

t.test('state: the age of the key set, undefined until it was read once', async (t) => {
  const { issuer, keyring, pass } = await scene(t, { broken: true })
  t.match(keyring.state(), { knownKeys: 0, available: false, ageMs: undefined, error: String })
  issuer.behaviour = undefined
  await pass(60_000)
  const { ageMs = -1, ...rest } = keyring.state()
  t.same(rest, { knownKeys: 1, available: true, error: undefined })
  await pass(1_000)
  t.equal(keyring.state().ageMs, ageMs + 1_000)
})

t.test('who waits for an unknown key is bounded: beyond it 401 at once, and known keys go on', async (t) => {
  const { issuer, keyring, pass } = await scene(t)
  let release: () => void = () => undefined
  issuer.behaviour = (_request, response) => {
    release = () => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [first.jwk] }))
  }
  let refused = 0
  const waiting = Array.from({ length: 256 }, async (_, n) => await outcome(keyring, `invented-${n}`).finally(() => { refused++ }))
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(refused, 0, 'all of them wait')
  t.equal(await outcome(keyring, 'one-too-many'), 'key_unknown', 'without waiting')
  t.equal(await outcome(keyring, 'first'), 'known: first')
  issuer.behaviour = undefined
  release()
  t.same([...new Set(await Promise.all(waiting))], ['key_unknown'])
  issuer.published = [first.jwk, second.jwk]
  await pass(5_000)
  t.match(await outcome(keyring, 'second'), /: second$/, 'there is room again')
})

t.test('the seven algorithms of one invented key id share the budget', async (t) => {
  const { issuer, keyring } = await scene(t)
  for (const alg of ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA']) await outcome(keyring, 'invented', alg)
  t.equal(issuer.fetches, 3)
})

t.test('a known kid under another algorithm may be a second key (RFC 7517 section 4.5): ' +
  'fetched within the budget, then refused', async (t) => {
  const { issuer, keyring, pass } = await scene(t)
  t.equal(await outcome(keyring, 'first', 'RS256'), 'algorithm_mismatch')
  t.equal(await outcome(keyring, 'first', 'ES384'), 'algorithm_mismatch')
  t.equal(issuer.fetches, 3)
  await pass(10_000)
  issuer.published = [first.jwk, newKey('ES384', 'first').jwk]
  t.equal(await outcome(keyring, 'first', 'ES384'), 'asked: first')
  t.equal(await outcome(keyring, 'first'), 'known: first')
})

t.test('R5: a withdrawn key is dead with the refresh and its confirmation, at most 60 s later, whatever the jitter', async (t) => {
  for (const jitter of [0, 0.999]) {
    const { issuer, clock, keyring, events, pass } = await scene(t)
    clock.jitter = jitter
    await pass(60_000)
    const key = await keyring.key('first', 'ES256')
    issuer.published = [second.jwk]
    await pass(60_000)
    t.notOk(key.alive)
    t.equal(await outcome(keyring, 'first'), 'key_unknown')
    t.same(events.slice(1), ['added second removed ', 'added  removed first'])
  }
})

t.test('another key under an old id replaces it: the old one is dead', async (t) => {
  const { issuer, keyring, pass } = await scene(t)
  const key = await keyring.key('first', 'ES256')
  issuer.published = [newKey('ES256', 'first').jwk]
  await pass(60_000)
  t.notOk(key.alive)
  t.not(await keyring.key('first', 'ES256'), key)
})

t.test('a refresh that brings the same keys leaves them alive, and is silent', async (t) => {
  const { keyring, events, pass } = await scene(t)
  const key = await keyring.key('first', 'ES256')
  await pass(10 * 60_000)
  t.equal(await keyring.key('first', 'ES256'), key)
  t.same(events, ['loaded first'])
  t.ok(keyring.fetches >= 10 && keyring.fetches <= 13, `${keyring.fetches} fetches in ten minutes`)
})

t.test('R2: in an outage of 24 h known keys remain valid, one fetch in 5 s at most; then they expire', async (t) => {
  const { issuer, clock, keyring, events, pass } = await scene(t, { maxStaleHours: 24 })
  const key = await keyring.key('first', 'ES256')
  breakDown(issuer)
  await pass(HOUR_MS)
  t.equal(await outcome(keyring, 'first'), 'known: first')
  t.ok(keyring.fetches <= 2 + 3600 / 5, `${keyring.fetches} fetches in an hour`)
  t.match(keyring.state(), { knownKeys: 1, available: false, error: 'status 500' })
  t.equal(await outcome(keyring, 'unknown'), 'issuer_unavailable', 'an unknown key cannot be distinguished from a new one')
  t.match(events, ['loaded first', 'unavailable, 1 known: status 500'])
  t.equal(events.length, 2, 'one line for the change of state')
  clock.jitter = 0.999
  await clock.pass(23 * HOUR_MS - 60_000)
  t.equal(await outcome(keyring, 'first'), 'known: first')
  await clock.pass(120_000)
  t.equal(await outcome(keyring, 'first'), 'issuer_unavailable')
  t.notOk(key.alive)
  t.equal(events.at(-1), 'expired first')
})

t.test('R2: the outage ends when the issuer responds again, and this is logged once', async (t) => {
  const { issuer, keyring, events, pass } = await scene(t)
  breakDown(issuer)
  await pass(5 * 60_000)
  issuer.behaviour = undefined
  await pass(10_000)
  t.match(keyring.state(), { available: true, error: undefined })
  t.same(events.slice(1).map((event) => event.split(',')[0]), ['unavailable', 'available'])
})

t.test('R1: without keys it retries from 0.25 to 5 s, start to start, and is ready with the first good response', async (t) => {
  const { issuer, clock, keyring, events, pass } = await scene(t, { broken: true })
  clock.jitter = 0.999
  t.equal(await outcome(keyring, 'first'), 'issuer_unavailable')
  const pauses: number[] = []
  for (let n = 0; n < 8; n++) {
    const pause = clock.nextInMs ?? 0
    pauses.push(Math.round(pause / 10) * 10)
    await pass(pause)
  }
  t.same(pauses.slice(1), [500, 1000, 2000, 4000, 5000, 5000, 5000])
  t.ok((pauses[0] ?? 0) <= 250)
  issuer.behaviour = undefined
  await pass(5_000)
  t.equal(await outcome(keyring, 'first'), 'known: first')
  t.same(events.map((event) => event.split(',')[0]?.split(' ')[0]), ['unavailable', 'loaded', 'available'])
})

t.test('the refusal of an outage says when the next attempt is', async (t) => {
  const { keyring } = await scene(t, { broken: true })
  const refusal: unknown = await Promise.resolve(keyring.key('first', 'ES256')).catch((error: unknown) => error)
  t.match(refusal, { statusCode: 503, retryAfterSeconds: 1 })
})

t.test('a request waits 5 s for a key, to the millisecond, however long the fetch may take', async (t) => {
  const { issuer, clock, keyring } = await scene(t)
  issuer.behaviour = () => undefined
  let refused: unknown
  Promise.resolve(keyring.key('second', 'ES256')).catch((error: unknown) => { refused = error })
  const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })
  await clock.pass(4_999, turn)
  t.equal(refused, undefined)
  await clock.pass(1, turn)
  t.match(refused, { statusCode: 503, reason: 'issuer_unavailable' })
})

t.test('a stopped keyring fetches no more', async (t) => {
  const { keyring, clock, issuer } = await scene(t)
  keyring.stop()
  t.equal(clock.nextInMs, undefined)
  t.equal(await outcome(keyring, 'unknown'), 'key_unknown')
  t.equal(issuer.fetches, 1)
})
