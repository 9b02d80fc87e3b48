import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { readKeySet } from '../../src/oauth/key-set.ts'
import { newKey } from '../support/issuer.ts'

const rsa = newKey().jwk
const good = newKey('ES256', 'good').jwk
const read = (...keys: unknown[]): Record<string, string> => Object.fromEntries([...readKeySet(JSON.stringify({ keys }))].map(([kid, { algorithms }]) => [kid, algorithms.join(' ')]))

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
    'for encryption': { ...rsa, use: 'enc', alg: 'RSA-OAEP' }, 'for key_ops encrypt': { ...rsa, key_ops: ['encrypt'] }, 'key_ops no list': { ...rsa, key_ops: 'verify' },
    'without kid': { ...rsa, kid: undefined }, 'kid no string': { ...rsa, kid: 7 }, 'kid empty': { ...rsa, kid: '' },
    symmetric: { kty: 'oct', kid: 'o', k: 'AAAA', alg: 'HS256' }, 'unknown kind': { kty: 'NEW', kid: 'n' }, 'no kind': { kid: 'n' },
    'with a private member': { ...rsa, d: 'AQAB' }, 'alg that does not fit': { ...rsa, alg: 'ES256' }, 'alg none': { ...rsa, alg: 'none' }, 'alg no string': { ...rsa, alg: ['RS256'] },
    'RSA of 1024 bits': newKey('RS256', 'weak', 1024).jwk, 'RSA with e = 3': { ...e3, kid: 'e3' }, 'RSA with e = 1': { ...rsa, e: 'AQ' },
    Ed448: { ...ed448, kid: '448', alg: 'EdDSA' }, 'a point that is not on the curve': { ...good, kid: 'p', x: good.y, y: good.x }, 'unknown curve': { ...good, kid: 'c', crv: 'secp256k1' },
    'curve no string': { ...good, kid: 'c', crv: 1 }, 'curve of every object': { ...good, kid: 'c', crv: 'toString' }, 'no modulus': { kty: 'RSA', kid: 'm', e: 'AQAB' }
  }
  for (const [name, key] of Object.entries(others)) t.same(read(key, good), { good: 'ES256' }, name)
})

t.test('with a purpose said otherwise', async (t) => {
  t.same(read({ ...rsa, kid: 'r', use: undefined, key_ops: ['verify'] }), { r: 'RS256' })
})

t.test('the same key twice is one; two keys under one kid are none', async (t) => {
  t.same(read(good, good), { good: 'ES256' })
  t.same(read({ ...rsa, kid: 'r', alg: 'RS256' }, { ...rsa, kid: 'r', alg: 'PS256' }), { r: 'RS256 PS256' }, 'the same key for two algorithms')
  t.throws(() => read(newKey('RS256', 'good', 1024).jwk, good), /two different keys/, 'the weak one first')
  t.throws(() => read(good, { ...newKey('ES256').jwk, kid: 'good' }), /two different keys/)
  t.throws(() => read(good, { ...rsa, kid: 'good', n: 'AQAB' }), /two different keys/, 'one of them weak')
  t.same(read(good, { ...rsa, kid: 'good', use: 'enc' }), { good: 'ES256' }, 'one of them for encryption')
})
