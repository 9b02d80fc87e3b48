import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import type { Test } from 'tap'
import { clientOf, testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { soon, startApi, type Api } from '../support/keycloak-api.ts'
import { credentials, decode, grant, ofUser, secretOf, tokenOf } from '../support/keycloak-tokens.ts'

export interface KindsOptions {
  /** In a container Keycloak does not reach the logout address of a test. */
  readonly reachesTests: boolean
}

/** Users and services are distinguished, and what is not an access token is refused, though the same key has signed it. */
export async function kinds (t: Test, url: string, { reachesTests }: KindsOptions): Promise<void> {
  const realm = await testRealm(t, url, `kinds-${process.pid}`)
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api' }, {
    prepare: (app) => {
      app.get('/test/me', { config: { auth: { scopes: [] } } }, ({ principal: { clientId, kind } }) => ({ clientId, kind }))
      app.get('/test/service', { config: { auth: { kind: 'service' } } }, () => ({ ok: true }))
      app.get('/test/user', { config: { auth: { kind: 'user' } } }, () => ({ ok: true }))
    }
  })
  await t.test('a user is distinguished from a service', (t) => whoIsCalling(t, realm, api))
  await t.test('ID, refresh and userinfo tokens are refused', (t) => noAccessTokens(t, realm, api))
  await t.test(
    'a logout token is refused',
    { skip: reachesTests ? false : 'Keycloak runs in a container' },
    (t) => logoutToken(t, realm, api)
  )
  await t.test('a token bound to a key is refused', (t) => boundToken(t, realm, api))
}

async function whoIsCalling (t: Test, realm: TestRealm, api: Api): Promise<void> {
  const { issuer } = realm
  await realm.addClient('refreshing', { attributes: { 'client_credentials.use_refresh_token': 'true' } })
  const refreshed = async (clientId: string, form: Record<string, string>): Promise<string> =>
    tokenOf(issuer, {
      ...form, grant_type: 'refresh_token', client_id: clientId, refresh_token: await tokenOf(issuer, form, 'refresh_token')
    })
  const cases: ReadonlyArray<readonly [name: string, kind: 'service' | 'user' | 'unknown', token: string]> = [
    ['a service', 'service', await tokenOf(issuer, credentials('test_api_client'))],
    ['a service with a session', 'service', await tokenOf(issuer, credentials('refreshing'))],
    ['a service, refreshed', 'unknown', await refreshed('refreshing', credentials('refreshing'))],
    ['a user', 'user', await tokenOf(issuer, ofUser())],
    ['a user with openid', 'user', await tokenOf(issuer, ofUser('openid'))],
    ['a user, refreshed', 'unknown', await refreshed('test_user_client', ofUser())]
  ]
  for (const [name, kind, token] of cases) {
    // What cannot be proven is accepted as a user, which proves nothing, and never as a service.
    const [own, other, reason] = kind === 'service'
      ? ['service', 'user', 'kind_not_allowed']
      : ['user', 'service', kind === 'user' ? 'kind_not_allowed' : 'kind_unknown']
    t.match(await api.get('/test/me', token), { status: 200, body: { kind, clientId: decode(token).payload.azp } }, name)
    t.match(await api.get(`/test/${own}`, token), { status: 200 })
    t.match(await api.refusal(token, `/test/${other}`), { status: 403, reason })
  }
}

async function noAccessTokens (t: Test, realm: TestRealm, api: Api): Promise<void> {
  const { issuer } = realm
  const client = await clientOf(realm, 'test_user_client')
  await realm.admin('PUT', `/clients/${client.id}`, { ...client, attributes: { 'user.info.response.signature.alg': 'RS256' } })
  const access = await tokenOf(issuer, ofUser('openid'))
  const userinfo = await fetch(`${issuer}/protocol/openid-connect/userinfo`, { headers: { authorization: `Bearer ${access}` } })
  const cases: ReadonlyArray<readonly [name: string, token: string, reason: string]> = [
    ['a user\'s ID token', await tokenOf(issuer, ofUser('openid'), 'id_token'), 'wrong_kind'],
    ['a service\'s ID token', await tokenOf(issuer, credentials('test_api_client', 'openid'), 'id_token'), 'wrong_kind'],
    ['a refresh token', await tokenOf(issuer, ofUser(), 'refresh_token'), 'algorithm_not_allowed'],
    ['a signed userinfo response', await userinfo.text(), 'claim_missing'],
    ['the client\'s secret', secretOf('test_api_client'), 'not_three_parts']
  ]
  for (const [name, token, reason] of cases) {
    t.match(await api.refusal(token), { status: 401, reason, body: { error: 'invalid_token' } }, name)
  }
  t.match(await api.get('/api/private', access), { status: 200 }, 'the access token beside them is good')
}

async function logoutToken (t: Test, realm: TestRealm, api: Api): Promise<void> {
  let received = ''
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (part: string) => { received += part }).on('end', () => response.end())
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  t.teardown(() => server.close())
  const client = await clientOf(realm, 'test_user_client')
  const address = `http://localhost:${(server.address() as AddressInfo).port}/logout`
  await realm.admin('PUT', `/clients/${client.id}`, {
    ...client, attributes: { 'backchannel.logout.url': address, 'backchannel.logout.session.required': 'true' }
  })
  const refreshToken = await tokenOf(realm.issuer, ofUser(), 'refresh_token')
  await fetch(
    `${realm.issuer}/protocol/openid-connect/logout`,
    { method: 'POST', body: new URLSearchParams({ client_id: 'test_user_client', refresh_token: refreshToken }) }
  )
  await soon(() => received !== '')
  const token = new URLSearchParams(received).get('logout_token') ?? ''
  t.match(decode(token), { header: { typ: 'logout+jwt', alg: 'RS256' }, payload: { typ: 'Logout', iss: realm.issuer } })
  t.match(await api.refusal(token), { status: 401, reason: 'wrong_header_type' })
}

async function boundToken (t: Test, { issuer }: TestRealm, api: Api): Promise<void> {
  t.match(
    await grant(issuer, credentials('test_dpop_client')),
    { status: 400, body: { error: 'invalid_request', error_description: 'DPoP proof is missing' } }
  )
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const proof = await new SignJWT({ htm: 'POST', htu: `${issuer}/protocol/openid-connect/token`, jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicKey.export({ format: 'jwk' }) }).setIssuedAt().sign(privateKey)
  const { status, body } = await grant(issuer, credentials('test_dpop_client'), { dpop: proof })
  t.match({ status, type: body.token_type }, { status: 200, type: 'DPoP' })
  t.match(
    await api.refusal(String(body.access_token)),
    { status: 401, reason: 'confirmation_unsupported', hint: /Require DPoP bound tokens/ }
  )
}
