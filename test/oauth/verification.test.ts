import t from 'tap'
import type { VerificationKey } from '../../src/oauth/key-set.ts'
import { examineAccessToken, readAccessToken, type Expectations } from '../../src/oauth/access-token.ts'
import { InvalidToken } from '../../src/oauth/errors.ts'
import { textOf } from '../../src/oauth/token-cache.ts'
import { TrustedIssuers, type TrustedIssuer } from '../../src/oauth/trusted-issuers.ts'
import { Verification } from '../../src/oauth/verification.ts'

const EXPECTED: Expectations = {
  issuer: 'i', audience: ['a'], algorithms: ['ES256'], tokenKind: 'keycloak', clockToleranceSeconds: 5,
  maxTokenLifetimeSeconds: 1000, maxTokenBytes: 15_000
}
const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const HEADER = { alg: 'ES256', kid: 'k', typ: 'JWT' }
const CLAIMS = { iss: 'i', aud: 'a', exp: 100, typ: 'Bearer', azp: 'client' }
const tokenOf = (claims: object = {}, header: object = {}): string =>
  `${b64({ ...HEADER, ...header })}.${b64({ ...CLAIMS, ...claims })}.AAAA`

interface Scene {
  readonly verification: Verification<undefined>
  readonly key: VerificationKey
  /** Lets what waits for its verifier go on; with an error, the signature is bad. */
  release: (error?: Error) => void
  nowMs: number
}

const keyringOf = (key: VerificationKey): TrustedIssuer['keyring'] => ({ key: () => key, refusalWithoutKeys: () => undefined })

function scene (): Scene {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  const one: Scene = {
    key,
    nowMs: 0,
    release: () => undefined,
    verification: new Verification<undefined>({
      issuers: new TrustedIssuers([{ ...EXPECTED, serviceClaim: undefined, keyring: keyringOf(key) }]),
      cacheBytes: 1 << 20, addressOf: () => '', hasLeft: () => false, nowMs: () => one.nowMs,
      verifierOf: async () => new Promise((resolve) => {
        one.release = (error) => { resolve(() => { if (error !== undefined) throw error }) }
      })
    })
  }
  return one
}

t.test('one verification for one token, however many requests bring it at a time', async (t) => {
  const one = scene()
  t.equal(one.verification.recall(textOf(tokenOf()), undefined), undefined)
  const all = Promise.all(Array.from({ length: 50 }, async () => one.verification.verify(tokenOf(), undefined)))
  one.release()
  t.equal(new Set(await all).size, 1)
  t.match(one.verification.counts, { signatureChecks: 1, tokensRead: 1, cacheHits: 0 })
  t.equal(one.verification.recall(textOf(tokenOf()), undefined), (await all)[0], 'then it is at hand')
  t.match(one.verification.counts, { signatureChecks: 1, tokensRead: 1, cacheHits: 1 })
})

t.test('a failure is not kept: no cache entry, and the next one is checked anew', async (t) => {
  const one = scene()
  for (let n = 1; n <= 2; n++) {
    const verdict = Promise.resolve(one.verification.verify(tokenOf(), undefined))
    one.release(new InvalidToken('signature_invalid'))
    t.match(await verdict.catch((error: unknown) => error), { reason: 'signature_invalid' })
    t.equal(one.verification.cache.size, 0)
    t.equal(one.verification.counts.signatureChecks, n)
  }
})

t.test('what ends while the signature is checked is refused', async (t) => {
  const withdrawn = scene()
  const first = Promise.resolve(withdrawn.verification.verify(tokenOf(), undefined))
  withdrawn.key.alive = false
  withdrawn.release()
  t.match(await first.catch((error: unknown) => error), { reason: 'key_unknown' })
  const late = scene()
  const second = Promise.resolve(late.verification.verify(tokenOf(), undefined))
  late.nowMs = 105_000
  late.release()
  t.match(await second.catch((error: unknown) => error), { reason: 'expired', detail: 'meanwhile' })
  t.equal(late.verification.cache.size, 0)
})

t.test('a tool gets every broken rule at once; the service stops at the first', async (t) => {
  const wrong = tokenOf({ iss: 'x'.repeat(200), aud: 'b', exp: 1, typ: 'ID' }, { jku: 'u' })
  t.same(
    examineAccessToken(wrong, EXPECTED, 50).findings.map(({ reason }) => reason),
    ['header_not_allowed', 'issuer_mismatch', 'wrong_kind', 'audience_mismatch', 'expired']
  )
  t.match(examineAccessToken(wrong, EXPECTED, 50).findings[1]?.detail, /^iss "x{90,}…$/, 'cut short')
  t.match(t.throws(() => readAccessToken(wrong, EXPECTED, 50)), { reason: 'header_not_allowed' })
  t.same(examineAccessToken(tokenOf(), EXPECTED, 50).findings, [])
  t.same(examineAccessToken('x'.repeat(15_001), EXPECTED, 50).findings, [{ reason: 'token_too_large', detail: '15001 characters' }])
})

t.test('the proof of a request is required for cached tokens too, and receives what was verified', async (t) => {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  const proven: Array<[string | undefined, string]> = []
  const verification = new Verification<string>({
    issuers: new TrustedIssuers([{ ...EXPECTED, serviceClaim: undefined, keyring: keyringOf(key) }]),
    cacheBytes: 1 << 20, addressOf: () => '', hasLeft: () => false, nowMs: () => 0, verifierOf: () => () => undefined,
    proof: (principal, context) => {
      proven.push([principal.clientId, context])
      if (context === 'thief') throw new InvalidToken('confirmation_unsupported')
      return principal
    }
  })
  const first = await verification.verify(tokenOf(), 'first')
  t.equal(verification.recall(textOf(tokenOf()), 'second'), first, 'at once')
  t.match(t.throws(() => verification.recall(textOf(tokenOf()), 'thief')), { reason: 'confirmation_unsupported' })
  t.same(proven, [['client', 'first'], ['client', 'second'], ['client', 'thief']])
  t.match(verification.counts, { signatureChecks: 1, cacheHits: 2 })
})

t.test('at once where nothing has to be waited for; what waits is checked once, and a caller who has left is not served', async (t) => {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  let busyMs = 0
  const verification = new Verification<string>({
    issuers: new TrustedIssuers([{ ...EXPECTED, serviceClaim: undefined, keyring: keyringOf(key) }]),
    cacheBytes: 1 << 20, addressOf: () => '', hasLeft: (context) => context === 'left', nowMs: () => 0,
    verifierOf: () => () => { for (const end = performance.now() + busyMs; performance.now() < end;); }
  })
  t.match(verification.verify(tokenOf({ jti: '1' }), 'here'), { clientId: 'client' })
  t.match(
    await Promise.resolve(verification.verify(tokenOf({ jti: '2' }), 'left')).catch((error: unknown) => error),
    { reason: 'overloaded' }
  )
  t.match(verification.verify(tokenOf({ jti: '2' }), 'here'), { clientId: 'client' }, 'the next one who presents it')
  busyMs = 2
  verification.verify(tokenOf({ jti: '3' }), 'here')
  const waiting = ['here', 'left', 'here'].map(async (context) => verification.verify(tokenOf({ jti: '4' }), context))
  t.equal(verification.counts.signatureChecks, 3, 'the turn is used up')
  const [first, ...others] = await Promise.all(waiting)
  t.same(others, [first, first])
  t.match(verification.counts, { signatureChecks: 4, tokensRead: 5 })
})

t.test('a header is read once for all tokens of a key, and never taken for another', async (t) => {
  const kids = Array.from({ length: 200 }, (_, n) => 'k'.repeat(n + 1))
  for (let round = 0; round < 2; round++) {
    t.same(kids.map((kid) => readAccessToken(tokenOf({}, { kid }), EXPECTED, 50).header.kid), kids)
    t.match(t.throws(() => readAccessToken(tokenOf({}, { alg: 'none' }), EXPECTED, 50)), { reason: 'algorithm_not_allowed' })
  }
  t.match(
    t.throws(() => readAccessToken(tokenOf({ many: 'x'.repeat(20_000) }), { ...EXPECTED, maxTokenBytes: 40_000 }, 200)),
    { reason: 'expired' }
  )
})

t.test('a key that has to be fetched is waited for, and its verifier; then the check and the proof are as ever', async (t) => {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  const proven: unknown[] = []
  let release: (key: VerificationKey) => void = () => undefined
  const checked: string[] = []
  const verification = new Verification<string>({
    issuers: new TrustedIssuers([{
      ...EXPECTED, serviceClaim: undefined,
      keyring: { key: async () => new Promise((resolve) => { release = resolve }), refusalWithoutKeys: () => undefined }
    }]),
    cacheBytes: 1 << 20, addressOf: () => '', hasLeft: (context) => context === 'left', nowMs: () => 0,
    verifierOf: async (fetched) => (token) => { checked.push(`${fetched.kid} ${token}`) },
    proof: (principal, ...rest) => {
      proven.push([principal.clientId, ...rest])
      return principal
    }
  })
  const waiting = ['left', 'here'].map(async (context) => verification.verify(tokenOf(), context))
  t.same(checked, [])
  release(key)
  const [first, second] = await Promise.all(waiting)
  t.equal(second, first, 'one of those who present it is still there')
  t.equal(verification.recall(textOf(tokenOf()), 'later', 'dpop'), first)
  t.equal(verification.recall(textOf(tokenOf()), 'last'), first)
  t.same(checked, [`k ${tokenOf()}`])
  t.same(proven, [
    ['left', 'bearer'], ['here', 'bearer'], ['later', 'dpop'], ['last', 'bearer']
  ].map((rest) => ['client', ...rest, textOf(tokenOf())]))
})

t.test('what a token waits for may fail: the failure is passed on as it is, and the next one tries again', async (t) => {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  let failure: Error | undefined = new Error('no verifier')
  const verification = new Verification<undefined>({
    issuers: new TrustedIssuers([{ ...EXPECTED, serviceClaim: undefined, keyring: keyringOf(key) }]),
    cacheBytes: 1 << 20, addressOf: () => '', hasLeft: () => false, nowMs: () => 0,
    verifierOf: async () => {
      if (failure !== undefined) throw failure
      return () => undefined
    }
  })
  t.equal(await Promise.resolve(verification.verify(tokenOf(), undefined)).catch((error: unknown) => error), failure)
  failure = undefined
  t.match(await verification.verify(tokenOf(), undefined), { clientId: 'client' })
})

t.test('without another clock it is the time of day', async (t) => {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  const verification = new Verification<undefined>({
    issuers: new TrustedIssuers([{ ...EXPECTED, serviceClaim: undefined, keyring: keyringOf(key) }]),
    cacheBytes: 1 << 20, addressOf: () => '', hasLeft: () => false, verifierOf: () => () => undefined
  })
  const now = Math.floor(Date.now() / 1000)
  t.match(await verification.verify(tokenOf({ exp: now + 100 }), undefined), { clientId: 'client' })
  t.match(verification.recall(textOf(tokenOf({ exp: now + 100 })), undefined), { clientId: 'client' })
  t.match(t.throws(() => verification.verify(tokenOf({ exp: now - 100 }), undefined)), { reason: 'expired' })
  verification.cache.close()
})

interface Address { readonly address: string }

/** A verification of callers with addresses, whose signatures are good until `forged`; a check takes `busyMs`. */
interface Callers {
  readonly verification: Verification<Address>
  nowMs: number
  forged: boolean
  busyMs: number
}

function callers (): Callers {
  const key: VerificationKey = { kid: 'k', alg: 'ES256', pem: '', alive: true }
  const all: Callers = {
    nowMs: 0, forged: false, busyMs: 0,
    verification: new Verification<Address>({
      issuers: new TrustedIssuers([{ ...EXPECTED, serviceClaim: undefined, keyring: keyringOf(key) }]),
      cacheBytes: 1 << 20, addressOf: ({ address }) => address, hasLeft: () => false, nowMs: () => all.nowMs,
      verifierOf: () => () => {
        for (const end = performance.now() + all.busyMs; performance.now() < end;);
        if (all.forged) throw new InvalidToken('signature_invalid')
      }
    })
  }
  // On a busy machine, too.
  Object.assign(all.verification.queue.times, { waitingMs: Infinity, suspectsWaitingMs: Infinity, longestWaitMs: Infinity })
  return all
}

t.test('who presents a token: by what it says until it is verified, then known by the address and the client', async (t) => {
  const { verification } = callers()
  const [here, there] = ['192.0.2.1', '192.0.2.2']
  t.same(verification.presented(tokenOf({ jti: '1' }), here), { caller: { address: here, client: 'client' }, standing: 'new' })
  const other = tokenOf({ azp: undefined, client_id: 'other' })
  t.same(verification.presented(other, here), { caller: { address: here, client: 'other' }, standing: 'new' })
  t.same(verification.presented('not a token', here), { caller: { address: here, client: '' }, standing: 'new' })
  await verification.verify(tokenOf({ jti: '1' }), { address: here })
  t.equal(verification.presented(tokenOf({ jti: '2' }), here).standing, 'known', 'another token of the same client')
  t.equal(verification.presented(tokenOf({ azp: 'other' }), here).standing, 'new')
  t.equal(verification.presented(tokenOf({ jti: '2' }), there).standing, 'new')
  const itself = verification.presented(tokenOf({ jti: '1' }), there)
  t.same(itself, { caller: { address: there, client: 'client' }, standing: 'known' }, 'the token itself')
  await verification.verify(tokenOf({ azp: undefined, client_id: 'other', jti: '3' }), { address: here })
  t.same(verification.presented(tokenOf({ azp: undefined, client_id: 'other', jti: '3' }), there),
    { caller: { address: there, client: 'other' }, standing: 'known' })
  await verification.verify(tokenOf({ azp: undefined, jti: '4' }), { address: here })
  const nameless = verification.presented(tokenOf({ azp: undefined, jti: '4' }), there)
  t.same(nameless, { caller: { address: there, client: '' }, standing: 'known' })
})

t.test('a client that a token names in escaped characters has its own name once the token is verified', async (t) => {
  const { verification } = callers()
  const claims = JSON.stringify(CLAIMS).replace('"client"', '"cli\\u0065nt"')
  const token = `${b64(HEADER)}.${Buffer.from(claims).toString('base64url')}.AAAA`
  t.equal(verification.presented(token, 'a').caller.client, '', 'not read before')
  await verification.verify(token, { address: 'a' })
  t.equal(verification.presented(token, 'a').caller.client, 'client')
})

t.test('a caller remains known for ten minutes after the end of its token, with the tolerance for its clock', async (t) => {
  const all = callers()
  await all.verification.verify(tokenOf(), { address: 'a' })
  all.nowMs = 105_000 + 600_000 - 1
  t.equal(all.verification.presented(tokenOf(), 'a').standing, 'known')
  all.nowMs++
  t.equal(all.verification.presented(tokenOf(), 'a').standing, 'new')
})

t.test('a bad signature makes its address suspect, another refusal does not; both say what the token says of its client', async (t) => {
  const all = callers()
  const refusalOf = async (token: string, address: string): Promise<unknown> =>
    await new Promise((resolve) => { resolve(all.verification.verify(token, { address })) }).catch((error: unknown) => error)
  t.match(await refusalOf(tokenOf({ aud: 'b' }), 'a'), { reason: 'audience_mismatch', unverifiedClient: 'client' })
  t.equal(all.verification.presented(tokenOf(), 'a').standing, 'new')
  all.forged = true
  t.match(await refusalOf(tokenOf(), 'a'), { reason: 'signature_invalid', unverifiedClient: 'client' })
  t.equal(all.verification.presented(tokenOf(), 'a').standing, 'suspect')
  t.equal(all.verification.presented(tokenOf(), 'b').standing, 'new')
  all.busyMs = 2
  const waiting = [refusalOf(tokenOf({ jti: '1' }), 'b'), refusalOf(tokenOf({ jti: '2' }), 'c')]
  t.equal(all.verification.counts.signatureChecks, 2, 'one of them waits')
  t.match(await Promise.all(waiting), [{ reason: 'signature_invalid' }, { reason: 'signature_invalid', unverifiedClient: 'client' }])
  t.equal(all.verification.presented(tokenOf(), 'c').standing, 'suspect', 'also where the check has waited')
})

t.test('behind a suspect address, a client whose check was refused for want of room is new when it comes back', async (t) => {
  const all = callers()
  const { verification } = all
  const refusalOf = async (token: string): Promise<unknown> =>
    await new Promise((resolve) => { resolve(verification.verify(token, { address: 'a' })) }).catch((error: unknown) => error)
  all.forged = true
  t.match(await refusalOf(tokenOf({ azp: 'attacker' })), { reason: 'signature_invalid' })
  all.forged = false
  Object.assign(verification.queue.times, { longestWaitMs: -1 })
  all.busyMs = 2
  const victim = (jti: string): string => tokenOf({ azp: 'victim', jti })
  const [, refused] = await Promise.all([refusalOf(tokenOf({ azp: 'busy' })), refusalOf(victim('1'))])
  t.match(refused, { reason: 'overloaded' })
  t.equal(verification.presented(victim('1'), 'a').standing, 'new', 'with the same token')
  t.equal(verification.presented(tokenOf({ azp: 'never refused', jti: '1' }), 'a').standing, 'suspect')
  verification.turnAway({ address: 'a', client: 'refused unread' })
  t.equal(verification.presented(tokenOf({ azp: 'refused unread', jti: '1' }), 'a').standing, 'new')
})

t.test('a key that is withdrawn while its verifier is prepared makes nobody suspect', async (t) => {
  const one = scene()
  const verdict = Promise.resolve(one.verification.verify(tokenOf(), undefined))
  one.key.alive = false
  one.release()
  t.match(await verdict.catch((error: unknown) => error), {
    reason: 'key_unknown', detail: 'withdrawn meanwhile', unverifiedClient: 'client'
  })
  t.equal(one.verification.presented(tokenOf(), '').standing, 'new')
})

t.test('a token is valid to the end of the tolerance, to the millisecond: in the cache, and at the end of its check', async (t) => {
  const one = scene()
  const inTime = Promise.resolve(one.verification.verify(tokenOf(), undefined))
  one.nowMs = 104_999
  one.release()
  t.match(await inTime, { clientId: 'client' })
  t.match(one.verification.recall(textOf(tokenOf()), undefined), { clientId: 'client' })
  one.nowMs = 105_000
  t.equal(one.verification.recall(textOf(tokenOf()), undefined), undefined)
})

t.test('with its first good token a caller becomes known, and what it has waiting already goes before others', async (t) => {
  const all = callers()
  const served: string[] = []
  const verify = async (claims: { readonly jti: string, readonly azp: string }): Promise<unknown> =>
    await Promise.resolve(all.verification.verify(tokenOf(claims), { address: 'gateway' })).then(() => served.push(claims.azp))
  all.busyMs = 2
  const waiting = [verify({ jti: 'at once', azp: 'flood' })]
  for (let n = 0; n < 5; n++) waiting.push(verify({ jti: `mine ${n}`, azp: 'mine' }))
  for (let n = 0; n < 60; n++) waiting.push(verify({ jti: `flood ${n}`, azp: `flood ${n}` }))
  t.equal(all.verification.counts.signatureChecks, 1, 'the others wait')
  await Promise.all(waiting)
  t.ok(served.lastIndexOf('mine') < 20, `the last of its own came as number ${served.lastIndexOf('mine')}`)
  t.equal(served.length, 66)
})
