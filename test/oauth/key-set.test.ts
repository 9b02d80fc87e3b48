import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { readKeySet } from '../../src/oauth/key-set.ts'
import { newKey } from '../support/issuer.ts'

const rsa = newKey().jwk
const good = newKey('ES256', 'good').jwk

/** kid → its algorithms. */
function read (...keys: unknown[]): Record<string, string> {
  const found = new Map<string, string[]>()
  for (const { kid, alg } of readKeySet(JSON.stringify({ keys })).keys.values()) found.set(kid, [...found.get(kid) ?? [], alg])
  return Object.fromEntries([...found].map(([kid, algorithms]) => [kid, algorithms.join(' ')]))
}

t.test('one algorithm for each key: its own, or those that fit its kind', async (t) => {
  const keys = ['RS256', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'].map((alg) => newKey(alg, alg).jwk)
  t.same(read(...keys), { RS256: 'RS256', PS512: 'PS512', ES256: 'ES256', ES384: 'ES384', ES512: 'ES512', EdDSA: 'EdDSA' })
  t.same(read({ ...rsa, kid: 'r', alg: undefined }, { ...newKey('ES384').jwk, kid: 'e', alg: undefined }),
    { r: 'RS256 RS384 RS512 PS256 PS384 PS512', e: 'ES384' })
})

t.test('what is not a signing key of ours is left out', async (t) => {
  const ed448 = generateKeyPairSync('ed448').publicKey.export({ format: 'jwk' })
  const e3 = generateKeyPairSync('rsa', { modulusLength: 2048, publicExponent: 3 }).publicKey.export({ format: 'jwk' })
  const others: Record<string, unknown> = {
    'for encryption': { ...rsa, use: 'enc', alg: 'RSA-OAEP' }, 'for key_ops encrypt': { ...rsa, key_ops: ['encrypt'] },
    'key_ops no list': { ...rsa, key_ops: 'verify' },
    'without kid': { ...rsa, kid: undefined }, 'kid no string': { ...rsa, kid: 7 }, 'kid empty': { ...rsa, kid: '' },
    symmetric: { kty: 'oct', kid: 'o', k: 'AAAA', alg: 'HS256' }, 'unknown kind': { kty: 'NEW', kid: 'n' }, 'no kind': { kid: 'n' },
    'with a private member': { ...rsa, d: 'AQAB' }, 'alg that does not fit': { ...rsa, alg: 'ES256' }, 'alg none': { ...rsa, alg: 'none' },
    'alg no string': { ...rsa, alg: ['RS256'] },
    'RSA of 1024 bits': newKey('RS256', 'weak', 1024).jwk, 'RSA with e = 3': { ...e3, kid: 'e3' }, 'RSA with e = 1': { ...rsa, e: 'AQ' },
    Ed448: { ...ed448, kid: '448', alg: 'EdDSA' }, 'a point that is not on the curve': { ...good, kid: 'p', x: good.y, y: good.x },
    'unknown curve': { ...good, kid: 'c', crv: 'secp256k1' },
    'curve no string': { ...good, kid: 'c', crv: 1 }, 'curve of every object': { ...good, kid: 'c', crv: 'toString' },
    'no modulus': { kty: 'RSA', kid: 'm', e: 'AQAB' }
  }
  for (const [name, key] of Object.entries(others)) t.same(read(key, good), { good: 'ES256' }, name)
})

t.test('with a purpose said otherwise', async (t) => {
  t.same(read({ ...rsa, kid: 'r', use: undefined, key_ops: ['verify'] }), { r: 'RS256' })
})

t.test('alg, use and key_ops that are null count as absent', async (t) => {
  t.same(read({ ...good, alg: null, use: null, key_ops: null }), { good: 'ES256' })
})

t.test('a member that is not an object costs only itself', async (t) => {
  for (const member of [null, 1, 'key', true, [], [good]]) t.same(read(member, good, member), { good: 'ES256' }, JSON.stringify(member))
})

t.test('the same key twice is one; one kid may stand for keys of different kinds and algorithms (RFC 7517 section 4.5)', async (t) => {
  t.same(read(good, good), { good: 'ES256' })
  t.same(
    read({ ...rsa, kid: 'r', alg: 'RS256' }, { ...rsa, kid: 'r', alg: 'PS256' }),
    { r: 'RS256 PS256' },
    'the same key for two algorithms'
  )
  t.same(read({ ...rsa, kid: 'good' }, good, newKey('ES384', 'good').jwk, newKey('EdDSA', 'good').jwk), { good: 'RS256 ES256 ES384 EdDSA' })
})

t.test('two different keys under one kid and alg: only these are left out, and they are named', async (t) => {
  const twin = newKey('ES256', 'good').jwk
  const other = newKey('ES256', 'other').jwk
  for (const keys of [[good, other, twin], [twin, good, good, other], [other, good, twin, twin]]) {
    t.same(read(...keys), { other: 'ES256' })
    t.same([...readKeySet(JSON.stringify({ keys })).ambiguous.values()], ['good'])
  }
  t.same(read(good, twin, newKey('ES384', 'good').jwk), { good: 'ES384' }, 'the same kid for another algorithm stays')
  t.throws(() => read(good, twin), /without a usable signing key: two different keys under one kid and alg \("good"\)/)
})

t.test('a key that cannot be used never counts as the second', async (t) => {
  const unusable = [
    newKey('RS256', 'good', 1024).jwk, { ...rsa, kid: 'good', n: 'AQAB' }, { ...rsa, kid: 'good', use: 'enc' },
    { ...good, y: good.x }, { ...good, d: 'AQAB' }
  ]
  for (const key of unusable) {
    t.same(read(key, good), { good: 'ES256' })
    t.same(read(good, key), { good: 'ES256' })
  }
  t.same(read({ ...rsa, kid: 'r', alg: 'RS256' }, newKey('RS256', 'r', 1024).jwk), { r: 'RS256' }, 'a weak key of the same kind')
})

t.test('Ed25519 as the name of an algorithm (RFC 9864) is not supported: such a key is left out', async (t) => {
  const ed25519 = newKey('EdDSA', 'ed').jwk
  t.same(read(good, { ...ed25519, alg: 'Ed25519' }), { good: 'ES256' })
  t.same(read({ ...ed25519, alg: undefined }), { ed: 'EdDSA' })
})

t.test('a byte order mark in front is skipped', async (t) => {
  t.equal(readKeySet(`\uFEFF${JSON.stringify({ keys: [good] })}`).keys.size, 1)
})

t.test('1,000 keys are read, more are refused whole', async (t) => {
  const others = (count: number): unknown[] => Array.from({ length: count }, () => ({ kty: 'oct' }))
  t.same(read(good, ...others(999)), { good: 'ES256' })
  t.throws(() => read(good, ...others(1_000)), /a key set of 1001 keys, more than 1000/)
})
