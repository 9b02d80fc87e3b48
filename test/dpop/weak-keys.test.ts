import { createHash, randomUUID } from 'node:crypto'
import t from 'tap'
import { isOfSmallOrder, keyProblem, thumbprint, type Jwk } from '../../src/oauth/dpop/proof-key.ts'
import { holder } from '../support/dpop.ts'
import { newKey } from '../support/issuer.ts'
import { startService } from '../support/service.ts'

const PUBLIC_URL = 'https://api.example.com'
const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')

/** The signature that anybody can write with e=1: the padded hash itself (RFC 8017 §9.2). */
function withoutKey (input: string, bytes: number): Buffer {
  const info = Buffer.from('3031300d060960864801650304020105000420', 'hex')
  const hash = createHash('sha256').update(input).digest()
  return Buffer.concat([Buffer.of(0, 1), Buffer.alloc(bytes - info.length - 35, 255), Buffer.of(0), info, hash])
}

const { n } = newKey('RS256').jwk
/** R is the neutral element and s is 0: right for each text, since the key is the neutral element too. */
const NEUTRAL = Buffer.alloc(32)
NEUTRAL[0] = 1
const FORGED: ReadonlyArray<readonly [name: string, alg: string, jwk: Jwk, sign: (input: string) => Buffer]> = [
  ['RSA with e=1', 'RS256', { kty: 'RSA', n, e: 'AQ' }, (input) => withoutKey(input, 256)],
  ['the neutral element of Ed25519', 'EdDSA', { kty: 'OKP', crv: 'Ed25519', x: NEUTRAL.toString('base64url') },
    () => Buffer.concat([NEUTRAL, Buffer.alloc(32)])]
]

t.test('a token that is bound to a key for which anybody can sign is a bearer token, and is not accepted with such a proof', async (t) => {
  const service = await startService(t, { key: newKey('ES256'), environment: { ALGORITHMS: 'ES256', DPOP: 'required', PUBLIC_URL } })
  for (const [name, alg, jwk, sign] of FORGED) {
    const token = service.issuer.token({ typ: 'DPoP', cnf: { jkt: thumbprint(jwk) } })
    const input = `${part({ typ: 'dpop+jwt', alg, jwk })}.${part({
      jti: randomUUID(), htm: 'GET', htu: `${PUBLIC_URL}/api/private`, iat: Math.floor(Date.now() / 1000),
      ath: createHash('sha256').update(token).digest('base64url')
    })}`
    const headers = { authorization: `DPoP ${token}`, dpop: `${input}.${sign(input).toString('base64url')}` }
    t.equal((await service.ask('/api/private', { headers })).status, 401, name)
    t.equal(service.lines.findLast((line) => line.reason !== undefined)?.reason, 'dpop_key', name)
  }
})

t.test('RSA: e is an odd number from 3 on', async (t) => {
  const problem = (e: string): string | undefined => keyProblem({ kty: 'RSA', n, e })
  for (const e of ['AQAB', 'Aw', 'AAM', 'EQ']) t.equal(problem(e), undefined, e)
  for (const e of ['', 'AA', 'AQ', 'AAE', 'Ag', 'BA', 'AQAA']) t.ok(problem(e), e)
})

const P = 2n ** 255n - 19n
const mod = (value: bigint): bigint => ((value % P) + P) % P
function power (base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, base]
  for (let rest = exponent; rest > 0n; rest >>= 1n, square = mod(square * square)) if (rest & 1n) result = mod(result * square)
  return result
}
const inverse = (value: bigint): bigint => power(mod(value), P - 2n)
const D = mod(-121665n * inverse(121666n))
/** RFC 8032 §5.1: the y of twice a point, by its y alone. */
function doubled (y: bigint): bigint {
  const yy = mod(y * y)
  const xx = mod((yy - 1n) * inverse(D * yy + 1n))
  return mod((yy + xx) * inverse(1n - D * xx * yy))
}
const jwkOf = (y: bigint, sign = 0): Jwk => {
  const bytes = Buffer.from(y.toString(16).padStart(64, '0'), 'hex').reverse()
  bytes[31] = (bytes[31] as number) | sign
  return { kty: 'OKP', crv: 'Ed25519', x: bytes.toString('base64url') }
}

t.test('RSA: a modulus that is padded with zeros is not of the size that its bytes say', async (t) => {
  const small = newKey('RS256').jwk.n
  t.equal(keyProblem({ kty: 'RSA', n: small, e: 'AQAB' }), undefined)
  const padded = Buffer.concat([Buffer.alloc(256), Buffer.from(String(small), 'base64url').subarray(0, 64)]).toString('base64url')
  t.equal(keyProblem({ kty: 'RSA', n: padded, e: 'AQAB' }), 'n begins with zero')
})

t.test('Ed25519: the points of small order, in every spelling, and no others', async (t) => {
  const order8 = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
  const small = [0n, 1n, P - 1n, order8, P - order8]
  for (const y of small) t.equal(doubled(doubled(doubled(y))), 1n, `eight times the point is the neutral element: ${y}`)
  for (const y of [...small, P, P + 1n]) for (const sign of [0, 0x80]) t.equal(isOfSmallOrder(jwkOf(y, sign)), true, String(y))
  for (const y of [2n, 3n, P - 2n, order8 + 1n]) t.equal(isOfSmallOrder(jwkOf(y)), false, String(y))
  for (let n = 0; n < 20; n++) t.equal(isOfSmallOrder(holder('EdDSA').jwk), false)
})

t.test('Ed448: the same; other kinds of keys have none', async (t) => {
  const of = (...bytes: number[]): Jwk => ({ kty: 'OKP', crv: 'Ed448', x: Buffer.from(bytes).toString('base64url') })
  const minusOne = [254, ...Array<number>(27).fill(255), 254, ...Array<number>(27).fill(255), 0]
  for (const sign of [0, 0x80]) {
    t.equal(isOfSmallOrder(of(...Array<number>(56).fill(0), sign)), true)
    t.equal(isOfSmallOrder(of(1, ...Array<number>(55).fill(0), sign)), true)
    t.equal(isOfSmallOrder(of(...minusOne.slice(0, 56), sign)), true)
  }
  t.equal(isOfSmallOrder(of(2, ...Array<number>(56).fill(0))), false)
  t.equal(isOfSmallOrder(holder('ES256').jwk), false)
  t.equal(isOfSmallOrder({ kty: 'OKP', crv: 'X25519', x: NEUTRAL.toString('base64url') }), false)
})
