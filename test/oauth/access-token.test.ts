import t from 'tap'
import { examineAccessToken, readAccessToken, RULES, type Expectations } from '../../src/oauth/access-token.ts'
import { InvalidToken } from '../../src/oauth/errors.ts'
import type { Json } from '../support/issuer.ts'

const EXPECTED: Expectations = {
  issuer: 'i', audience: ['a'], algorithms: ['ES256'], tokenKind: 'keycloak', clockToleranceSeconds: 5, maxTokenLifetimeSeconds: 1000,
  maxTokenBytes: 1024
}
const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const tokenOf = (claims: Json = {}, header: Json = {}): string =>
  `${part({ alg: 'ES256', kid: 'k', ...header })}.${part({ iss: 'i', aud: 'a', exp: 100, typ: 'Bearer', azp: 'client', ...claims })}.AAAA`

/** The refusal of a token, or undefined. */
function refusalOf (text: string, nowSeconds = 50): InvalidToken | undefined {
  try {
    readAccessToken(text, EXPECTED, nowSeconds)
    return undefined
  } catch (error) {
    if (error instanceof InvalidToken) return error
    throw error
  }
}

t.test('dates at the edge of the tolerance of 5 s and of the longest lifetime of 1000 s', async (t) => {
  const edges: ReadonlyArray<readonly [claims: Json, nowSeconds: number, reason: string | undefined]> = [
    [{}, 104.999, undefined], [{}, 105, 'expired'],
    [{ nbf: 55 }, 50, undefined], [{ nbf: 55.001 }, 50, 'not_yet_valid'],
    [{ iat: 55 }, 50, undefined], [{ iat: 55.001 }, 50, 'issued_in_future'],
    [{ exp: 1055 }, 50, undefined], [{ exp: 1055.001 }, 50, 'lifetime_too_long']
  ]
  for (const [claims, nowSeconds, reason] of edges) t.equal(refusalOf(tokenOf(claims), nowSeconds)?.reason, reason, JSON.stringify(claims))
})

t.test('the length of a token at the edge of MAX_TOKEN_BYTES', async (t) => {
  const atMost = [300, 301, 302, 303].map((length) => tokenOf({ x: 'x'.repeat(length) })).find(({ length }) => length % 4 === 0) ?? ''
  const longest = `${atMost}${'A'.repeat(1024 - atMost.length)}`
  t.match({ length: longest.length, reason: refusalOf(longest)?.reason }, { length: 1024, reason: undefined })
  t.match(refusalOf(`${longest}AAAA`), { reason: 'token_too_large', detail: '1028 characters' })
})

t.test('detail names the claim that is missing or mistyped', async (t) => {
  const numbers = ['iss', 'sub', 'azp', 'client_id', 'jti', 'typ', 'sid', 'aud', 'cnf', 'realm_access', 'resource_access']
  for (const name of numbers) t.match(refusalOf(tokenOf({ [name]: 1 })), { reason: 'claim_type', detail: name })
  for (const name of ['exp', 'iat', 'nbf', 'auth_time']) {
    t.match(refusalOf(tokenOf({ [name]: '1' })), { reason: 'claim_type', detail: name })
  }
  for (const name of ['iss', 'exp']) t.match(refusalOf(tokenOf({ [name]: undefined })), { reason: 'claim_missing', detail: name })
  t.match(refusalOf(tokenOf({}, { kid: 1 })), { reason: 'kid_missing', detail: 'kid' })
})

t.test('dates in detail: a number, its date, the distance in seconds rounded up', async (t) => {
  t.match(refusalOf(tokenOf(), 160.5), { detail: 'exp 100 (1970-01-01T00:01:40Z), 61 s ago', evidence: { secondsApart: 60.5 } })
  t.match(refusalOf(tokenOf({ nbf: 70.25 })), { detail: 'nbf 70.25 (1970-01-01T00:01:10.250Z), in 21 s' })
  t.match(refusalOf(tokenOf({ iat: 70 })), { detail: 'iat 70 (1970-01-01T00:01:10Z), in 20 s' })
  t.match(refusalOf(tokenOf({ exp: 2000 })), {
    detail: 'exp 2000 (1970-01-01T00:33:20Z), in 1950 s, the limit is 1000 s', evidence: { secondsApart: 950 }
  })
})

t.test('no rule throws, whatever the types are', async (t) => {
  for (const value of [null, true, -1, 1e400, 9e15, '', 'x', [], [null], {}, { roles: null }, [[1]]]) {
    const names = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'typ', 'scope', 'cnf', 'realm_access', 'resource_access', 'azp', 'client_id']
    const text =
      `${part({ alg: value, kid: value, typ: value, crit: value })}.${part(Object.fromEntries(names.map((name) => [name, value])))}.AAAA`
    const findings = examineAccessToken(text, EXPECTED, 50).findings
    t.ok(findings.length >= 6, `${JSON.stringify(value)}: ${findings.map(({ reason }) => reason).join(' ')}`)
  }
  t.equal(new Set(RULES.map(({ reason }) => reason)).size, RULES.length, 'a rule has a name of its own')
})

t.test('a refused token says which client it claims to be of: not verified, printable and bounded', async (t) => {
  const clientOf = (claims: Json): string | undefined => refusalOf(tokenOf({ aud: 'b', ...claims }))?.unverifiedClient
  t.equal(clientOf({ client_id: 'other' }), 'client')
  t.equal(clientOf({ azp: undefined, client_id: 'other' }), 'other')
  t.equal(clientOf({ azp: undefined }), undefined)
  t.equal(clientOf({ azp: '\u001b[31m\n"ü' }), '\\u001b[31m\\n\\"\\u00fc')
  t.match(clientOf({ azp: 'x'.repeat(500) }), /^x{99}…$/)
  t.equal(clientOf({ azp: { a: 1 } }), '{"a":1}')
  t.equal(refusalOf('a.b')?.unverifiedClient, undefined, 'a text that cannot be decoded')
})
