import t from 'tap'
import type { Expectations } from '../../src/oauth/access-token.ts'
import { InvalidToken, type Refusal } from '../../src/oauth/errors.ts'
import type { VerificationKey } from '../../src/oauth/key-set.ts'
import { TrustedIssuers, type TrustedIssuer } from '../../src/oauth/trusted-issuers.ts'
import { Verification } from '../../src/oauth/verification.ts'

const EXPECTED: Expectations = {
  issuer: 'https://a', audience: ['api'], algorithms: ['ES256'], tokenKind: 'keycloak', clockToleranceSeconds: 5,
  maxTokenLifetimeSeconds: 1000, maxTokenBytes: 15_000
}
const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const tokenOf = (claims: object, header: object = {}): string => [
  b64({ alg: 'ES256', kid: 'k', typ: 'JWT', ...header }),
  b64({ iss: 'https://a', aud: 'api', exp: 100, typ: 'Bearer', azp: 'client', sub: 's', ...claims }),
  'AAAA'
].join('.')

async function reasonOf (verification: Verification<undefined>, token: string): Promise<unknown> {
  try {
    await verification.verify(token, undefined)
    return undefined
  } catch (error) {
    return (error as Refusal).reason
  }
}

/** An issuer that counts its requests. */
function issuerOf (changes: Partial<TrustedIssuer> = {}): TrustedIssuer & { readonly asked: string[], readonly own: VerificationKey } {
  const asked: string[] = []
  const own: VerificationKey = { kid: 'k', alg: 'ES256', pem: changes.issuer ?? '', alive: true }
  const key = (kid: string): VerificationKey => {
    asked.push(kid)
    return own
  }
  return { ...EXPECTED, serviceClaim: undefined, asked, own, keyring: { key, refusalWithoutKeys: () => undefined }, ...changes }
}

t.test('an empty list and a repeated issuer are errors', async (t) => {
  t.throws(() => new TrustedIssuers([]), /empty/)
  t.throws(() => new TrustedIssuers([issuerOf(), issuerOf()]), /twice/)
})

t.test('the exact iss chooses audience, algorithms, clock and keyring; nothing is shared', async (t) => {
  const a = issuerOf()
  const b = issuerOf({ issuer: 'https://b', audience: ['other'], algorithms: ['RS256'], clockToleranceSeconds: 0 })
  const checked: Array<[VerificationKey, TrustedIssuer]> = []
  const verification = new Verification<undefined>({
    issuers: new TrustedIssuers([a, b]), cacheBytes: 1 << 20, addressOf: () => '', hasLeft: () => false, nowMs: () => 99_000,
    verifierOf: (key, issuer) => () => { checked.push([key, issuer]) }
  })
  t.equal(await reasonOf(verification, tokenOf({})), undefined)
  t.equal(await reasonOf(verification, tokenOf({ iss: 'https://b', aud: 'other' }, { alg: 'RS256' })), undefined)
  t.ok(checked[0]?.[0] === a.own && checked[0][1].issuer === 'https://a')
  t.ok(checked[1]?.[0] === b.own && checked[1][1].issuer === 'https://b')
  t.equal(await reasonOf(verification, tokenOf({ iss: 'https://b' }, { alg: 'RS256' })), 'audience_mismatch', 'the audience of A')
  t.equal(await reasonOf(verification, tokenOf({ iss: 'https://b', aud: 'other' })), 'algorithm_not_allowed', 'the algorithm of A')
  t.equal(await reasonOf(verification, tokenOf({ iss: 'https://b', aud: 'other', exp: 99 }, { alg: 'RS256' })), 'expired', 'the clock of A')
  for (const iss of ['https://a/', 'https://A', 'HTTPS://a', ' https://a', 'https://c', '']) {
    t.equal(await reasonOf(verification, tokenOf({ iss })), 'issuer_mismatch', iss)
  }
  for (const iss of [['https://a'], null, 1, { 'https://a': 1 }]) {
    t.equal(await reasonOf(verification, tokenOf({ iss })), 'claim_type', JSON.stringify(iss))
  }
  t.equal(
    await reasonOf(verification, tokenOf({ iss: 'https://c', aud: 'other' }, { alg: 'RS256' })),
    'issuer_mismatch',
    'an algorithm of any of them, to name the right fault'
  )
  t.same([a.asked.length, b.asked.length, checked.length], [1, 1, 2], 'no key was looked up for a stranger')
})

t.test('a refusal by the keys of one issuer does not concern another issuer', async (t) => {
  const a = issuerOf({ keyring: { key: () => { throw new InvalidToken('key_unknown') }, refusalWithoutKeys: () => undefined } })
  const b = issuerOf({ issuer: 'https://b' })
  const issuers = new TrustedIssuers([a, b])
  const verification = new Verification<undefined>({
    issuers, cacheBytes: 1 << 20, addressOf: () => '', hasLeft: () => false, nowMs: () => 0, verifierOf: () => () => undefined
  })
  t.equal(await reasonOf(verification, tokenOf({})), 'key_unknown')
  t.match(await verification.verify(tokenOf({ iss: 'https://b' }), undefined), { issuer: 'https://b', subject: 's' })
  t.equal(await reasonOf(verification, tokenOf({})), 'key_unknown', 'same sub, same kid, same client: nothing is remembered across')
})
