// In a process of its own: it fills the heap.
import { hash } from 'node:crypto'
import t from 'tap'
import type { VerificationKey } from '../../src/oauth/key-set.ts'
import { principalOf, type Principal } from '../../src/oauth/principal.ts'
import { heldBytes } from '../../src/oauth/held-bytes.ts'
import { CACHE_LIMITS, textOf, TokenCache } from '../../src/oauth/token-cache.ts'

const key = (): VerificationKey => ({ kid: 'k', alg: 'RS256', pem: '', alive: true })
const principal: Principal = principalOf({ iss: 'i', exp: 1 })
/** As long as a token of Keycloak, all different, as signatures are. */
const tokenOf = (n: number): string => `${'x'.repeat(900)}${hash('sha256', String(n), 'base64url')}`
const COST = heldBytes(tokenOf(0), principal)

t.test('gives back what was put in, and only for the same text', async (t) => {
  const cache = new TokenCache(1 << 20)
  cache.set({ token: tokenOf(1) }, principal, key(), 1000)
  t.equal(cache.get(textOf(tokenOf(1)), 999), principal)
  t.equal(cache.get(textOf(tokenOf(2)), 999), undefined)
  t.equal(cache.get(textOf(`y${tokenOf(1).slice(1)}`), 999), undefined, 'same end of the signature, another token')
  t.equal(cache.get(textOf(tokenOf(1)), 999), principal, 'which did not disturb the good one')
})

t.test('ends with the deadline, to the millisecond, and with its key', async (t) => {
  const cache = new TokenCache(1 << 20)
  const withdrawn = key()
  cache.set({ token: tokenOf(1) }, principal, key(), 1000)
  cache.set({ token: tokenOf(2) }, principal, withdrawn, 1000)
  t.equal(cache.get(textOf(tokenOf(1)), 1000), undefined)
  t.equal(cache.size, 1)
  withdrawn.alive = false
  t.equal(cache.get(textOf(tokenOf(2)), 0), undefined)
  t.same({ size: cache.size, bytes: cache.bytes }, { size: 0, bytes: 0 })
})

t.test('the same token twice is one entry', async (t) => {
  const cache = new TokenCache(1 << 20)
  cache.set({ token: tokenOf(1) }, principal, key(), 1000)
  cache.set({ token: tokenOf(1) }, principal, key(), 2000)
  t.same({ size: cache.size, bytes: cache.bytes }, { size: 1, bytes: COST })
  t.equal(cache.get(textOf(tokenOf(1)), 1500), principal)
})

t.test('two tokens with the same place in the index are both kept', async (t) => {
  const cache = new TokenCache(1 << 20)
  const second = `y${tokenOf(1).slice(1)}`
  const other: Principal = principalOf({ iss: 'i', exp: 2 })
  cache.set({ token: tokenOf(1) }, principal, key(), 1000)
  cache.set({ token: second }, other, key(), 1000)
  t.equal(cache.get(textOf(tokenOf(1)), 999), principal)
  t.equal(cache.get(textOf(second), 999), other)
  t.same({ size: cache.size, bytes: cache.bytes }, { size: 2, bytes: 2 * COST })
})

t.test('tokens that somebody has made to crowd the index cost the bytes of those that are kept, and no more', async (t) => {
  const cache = new TokenCache(1 << 22)
  for (let n = 0; n < 200; n++) cache.set({ token: `${String(n).padStart(900, 'x')}${tokenOf(1).slice(900)}` }, principal, key(), 1000)
  t.ok(cache.size < 100, `${cache.size} are kept`)
  t.equal(cache.bytes, cache.size * COST)
})

t.test('the bound in bytes is hard, and 0 switches the cache off', async (t) => {
  const cache = new TokenCache(100 * COST)
  for (let n = 0; n < 1000; n++) {
    cache.set({ token: tokenOf(n) }, principal, key(), 1000)
    if (n % 3 === 0) cache.get(textOf(tokenOf(n)), 0)
    if (cache.bytes > 100 * COST) t.fail(`${cache.bytes} bytes`)
  }
  const off = new TokenCache(0)
  off.set({ token: tokenOf(1) }, principal, key(), 1000)
  t.equal(off.size, 0)
})

t.test('one that alone takes more than the share of newcomers is not kept, and takes no place from others', async (t) => {
  const small = new TokenCache(9 * COST)
  small.set({ token: tokenOf(1) }, principal, key(), 1000)
  t.same({ size: small.size, bytes: small.bytes }, { size: 0, bytes: 0 })
  const large = new TokenCache(11 * COST)
  large.set({ token: tokenOf(1) }, principal, key(), 1000)
  large.set({ token: `${'x'.repeat(COST)}${tokenOf(2)}` }, principal, key(), 1000)
  t.equal(large.get(textOf(tokenOf(1)), 0), principal)
  t.same({ size: large.size, bytes: large.bytes }, { size: 1, bytes: COST })
})

t.test('a flood of one-shot tokens has a tenth of the bound, the latest of them, and tokens in use the rest', async (t) => {
  const cache = new TokenCache(100.5 * COST)
  const shared = key()
  for (let n = 0; n < 200; n++) {
    cache.set({ token: tokenOf(n) }, principal, shared, 1000)
    cache.get(textOf(tokenOf(n)), 0)
  }
  for (let n = 1000; n < 2000; n++) cache.set({ token: tokenOf(n) }, principal, shared, 1000)
  const kept = (from: number, to: number): number[] =>
    Array.from({ length: to - from }, (_, n) => from + n).filter((n) => cache.get(textOf(tokenOf(n)), 0) !== undefined)
  t.same(kept(1000, 2000), Array.from({ length: 10 }, (_, n) => 1990 + n))
  t.equal(kept(0, 200).length, 90)
})

t.test('200,000 one-shot tokens do not flush the hot ones', async (t) => {
  const cache = new TokenCache(2000 * COST)
  const shared = key()
  const hot = Array.from({ length: 1000 }, (_, n) => tokenOf(n))
  for (const token of hot) {
    cache.set({ token: token }, principal, shared, 1000)
    cache.get(textOf(token), 0)
  }
  for (let n = 1000; n < 201_000; n++) {
    cache.set({ token: tokenOf(n) }, principal, shared, 1000)
    if (n % 1000 === 0) for (const token of hot) cache.get(textOf(token), 0)
  }
  t.equal(hot.filter((token) => cache.get(textOf(token), 0) !== undefined).length, 1000)
  t.ok(cache.bytes <= 2000 * COST)
})

t.test('where every resident is in use, a newcomer goes, after a bounded search', async (t) => {
  const cache = new TokenCache(100 * COST)
  const shared = key()
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 95; n++) {
      if (cache.get(textOf(tokenOf(n)), 0) === undefined) cache.set({ token: tokenOf(n) }, principal, shared, 1000)
      cache.get(textOf(tokenOf(n)), 0)
    }
    for (let n = 0; n < 20; n++) cache.set({ token: tokenOf(1000 + n) }, principal, shared, 1000)
  }
  for (let n = 0; n < 95; n++) cache.get(textOf(tokenOf(n)), 0)
  for (let n = 0; n < 5; n++) cache.set({ token: tokenOf(2000 + n) }, principal, shared, 1000)
  t.ok(cache.bytes <= 100 * COST)
  const kept = Array.from({ length: 95 }, (_, n) => cache.get(textOf(tokenOf(n)), 0)).filter((one) => one !== undefined)
  t.ok(kept.length >= 90, `${kept.length} of 95 in use are kept`)
})

for (const [name, alive, gone] of [
  ['where every resident is in use, the newcomer goes that came first and was never looked up', true, 92],
  ['a token in use whose key was withdrawn makes room before any other', false, 5]
] as const) {
  t.test(name, async (t) => {
    const cache = new TokenCache(100.5 * COST)
    const [shared, other] = [key(), key()]
    const add = (n: number): void => cache.set({ token: tokenOf(n) }, principal, n === 5 ? other : shared, 1000)
    const isKept = (n: number): boolean => cache.get(textOf(tokenOf(n)), 0) !== undefined
    for (let n = 0; n < 100; n++) {
      add(n)
      if (n <= 90) t.ok(isKept(n))
    }
    add(100)
    for (let n = 1; n <= 91; n++) t.ok(isKept(n), `${n} is in use`)
    other.alive = alive
    add(101)
    t.same(Array.from({ length: 102 }, (_, n) => n).filter((n) => !isKept(n)), [0, gone], 'and before all were in use a resident')
  })
}

t.test('entries that are no longer looked up make room', async (t) => {
  const cache = new TokenCache(100 * COST)
  const shared = key()
  const use = (n: number): void => {
    cache.set({ token: tokenOf(n) }, principal, shared, 1000)
    cache.get(textOf(tokenOf(n)), 0)
  }
  for (let n = 0; n < 500; n++) use(n)
  t.equal(cache.get(textOf(tokenOf(0)), 0), undefined)
  t.ok(cache.get(textOf(tokenOf(499)), 0))
  t.ok(cache.size >= 95, `${cache.size} kept`)
})

t.test('dead entries leave within 40 sweeps, one in each second, without being looked up', async (t) => {
  let nowMs = 0
  const cache = new TokenCache(1 << 24, () => nowMs)
  const withdrawn = key()
  const shared = key()
  for (let n = 0; n < 1000; n++) cache.set({ token: tokenOf(n) }, principal, n % 4 === 0 ? withdrawn : shared, n % 2 === 0 ? 1e9 : 30_500)
  const pass = (seconds: number): void => {
    for (let n = 0; n < seconds; n++) {
      nowMs += CACHE_LIMITS.sweepEveryMs
      cache.sweep()
    }
  }
  pass(30)
  t.equal(cache.size, 1000, 'nothing is dead')
  withdrawn.alive = false
  for (let n = 1000; n < 1100; n++) cache.set({ token: tokenOf(n) }, principal, shared, 31_000)
  pass(40)
  t.same(
    { size: cache.size, bytes: cache.bytes },
    { size: 250, bytes: 250 * COST },
    'expired and withdrawn ones, also those that were added between sweeps'
  )
  nowMs = 2e9
  pass(40)
  t.equal(cache.size, 0)
  cache.set({ token: tokenOf(1) }, principal, shared, 3e9)
  t.equal(cache.get(textOf(tokenOf(1)), nowMs), principal)
  cache.close()
})

t.test('a sweep visits a twentieth of the places, so that it never takes long, and 20 visit all', async (t) => {
  const cache = new TokenCache(1 << 24, () => 1_000)
  for (let n = 0; n < 1000; n++) cache.set({ token: tokenOf(n) }, principal, key(), 1_000)
  for (let n = 0; n < 20; n++) {
    const before = cache.size
    cache.sweep()
    t.ok(before - cache.size < 150, `${before - cache.size} left in one sweep`)
  }
  t.equal(cache.size, 0)
})

t.test('a deadline within a second holds to the millisecond', async (t) => {
  const cache = new TokenCache(1 << 20)
  cache.set({ token: tokenOf(1) }, principal, key(), 1_500.5)
  for (const nowMs of [0, 999, 1_000, 1_499, 1_500]) t.equal(cache.get(textOf(tokenOf(1)), nowMs), principal, `${nowMs}`)
  t.equal(cache.get(textOf(tokenOf(1)), 1_501), undefined)
})

t.test('one timer for all entries, from the first to the last', async (t) => {
  const timers = new Set<unknown>()
  const { setInterval: start, clearInterval: stop } = globalThis
  t.teardown(() => Object.assign(globalThis, { setInterval: start, clearInterval: stop }))
  globalThis.setInterval = ((call: () => void, ms: number) => {
    const timer = start(call, ms)
    timers.add(timer)
    return timer
  }) as typeof start
  globalThis.clearInterval = (timer) => {
    timers.delete(timer)
    stop(timer)
  }
  const cache = new TokenCache(1 << 20, () => 2_000)
  t.equal(timers.size, 0)
  for (let n = 0; n < 10; n++) cache.set({ token: tokenOf(n) }, principal, key(), 1_000)
  while (cache.size > 0) {
    t.equal(timers.size, 1)
    cache.sweep()
  }
  t.equal(timers.size, 0, 'with the last entry')
  cache.set({ token: tokenOf(1) }, principal, key(), 3_000)
  t.equal(timers.size, 1)
  cache.close()
  t.same({ timers: timers.size, size: cache.size }, { timers: 0, size: 1 }, 'and when it is closed')
})

t.test('the timer sweeps without help, and does not keep the process alive', async (t) => {
  const cache = new TokenCache(1 << 20, () => 2_000)
  cache.set({ token: tokenOf(1) }, principal, key(), 1_000)
  while (cache.size > 0) await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(cache.bytes, 0)
})
