import type { Test } from 'tap'
import { testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { startApi } from '../support/keycloak-api.ts'
import { credentials, decode, tokenOf } from '../support/keycloak-tokens.ts'

/** Keys of every kind: Keycloak makes itself one when the first token needs it, unannounced. */
export async function algorithms (t: Test, url: string): Promise<void> {
  const realm = await testRealm(t, url, `algorithms-${process.pid}`)
  for (const algorithm of ['PS256', 'ES256', 'EdDSA']) {
    await t.test(`a realm that signs with ${algorithm}`, (t) => realmOf(t, realm, algorithm))
  }
  await t.test('one client that signs otherwise than its realm', (t) => mixed(t, realm))
  await t.test('Ed448, which says EdDSA too, is refused', (t) => ed448(t, realm))
  await t.test('a shared secret is not accepted as a key', (t) => sharedSecret(t, realm))
}

async function realmOf (t: Test, realm: TestRealm, algorithm: string): Promise<void> {
  const { issuer } = realm
  const api = await startApi(
    t,
    { ISSUER: issuer, AUDIENCE: 'test_api', ALGORITHMS: algorithm, KEYS_REFRESH_SECONDS: '3600' },
    { impatient: true }
  )
  const preset = await startApi(t, { ISSUER: issuer, AUDIENCE: 'test_api' })
  await realm.admin('PUT', '', { defaultSignatureAlgorithm: algorithm })
  const token = await tokenOf(issuer, credentials('test_api_client', 'test_api_access'))
  t.equal(decode(token).header.alg, algorithm)
  t.match(await api.get('/api/private-scoped', token), { status: 200 }, 'at once, though the key is younger than the service')
  const cut = token.slice(0, token.lastIndexOf('.') - 4) + token.slice(token.lastIndexOf('.'))
  t.match(await api.get('/api/private-scoped', cut), { status: 401 }, 'and not if it is changed')
  t.match(await preset.refusal(token), {
    status: 401, reason: 'algorithm_not_allowed', detail: `alg "${algorithm}"`, hint: /ALGORITHMS is RS256\..*Default signature algorithm/
  })
  await realm.admin('PUT', '', { defaultSignatureAlgorithm: 'RS256' })
  t.match(await preset.get('/api/private', await tokenOf(issuer, credentials('test_api_client'))), { status: 200 })
}

async function mixed (t: Test, realm: TestRealm): Promise<void> {
  const names = ['PS256', 'ES256', 'EdDSA', 'RS512']
  for (const alg of names) await realm.addClient(`client_${alg}`, { attributes: { 'access.token.signed.response.alg': alg } })
  const tokens = await Promise.all(names.map((alg) => tokenOf(realm.issuer, credentials(`client_${alg}`))))
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api', ALGORITHMS: ['RS256', ...names].join(',') })
  for (const token of [...tokens, await tokenOf(realm.issuer, credentials('test_api_client'))]) {
    t.match(await api.get('/api/private', token), { status: 200 }, String(decode(token).header.alg))
  }
}

async function ed448 (t: Test, realm: TestRealm): Promise<void> {
  const { id } = await realm.admin('GET', '') as { id: string }
  await realm.admin('POST', '/components', {
    name: 'ed-448', providerId: 'eddsa-generated', providerType: 'org.keycloak.keys.KeyProvider', parentId: id,
    config: { priority: ['300'], enabled: ['true'], active: ['true'], eddsaEllipticCurveKey: ['Ed448'] }
  })
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api', ALGORITHMS: 'RS256,EdDSA' })
  const token = await tokenOf(realm.issuer, credentials('client_EdDSA'))
  t.equal(decode(token).header.alg, 'EdDSA')
  t.equal(token.split('.')[2]?.length, 152, 'it is Ed448')
  t.match(await api.refusal(token), { status: 401, reason: 'key_unknown' })
  t.match(
    await api.get('/api/private', await tokenOf(realm.issuer, credentials('test_api_client'))),
    { status: 200 },
    'the other keys of the set are good'
  )
}

async function sharedSecret (t: Test, realm: TestRealm): Promise<void> {
  await realm.addClient('client_HS256', { attributes: { 'access.token.signed.response.alg': 'HS256' } })
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api' })
  const token = await tokenOf(realm.issuer, credentials('client_HS256'))
  t.equal(decode(token).header.alg, 'HS256')
  t.match(await api.refusal(token), { status: 401, reason: 'algorithm_not_allowed' })
}
