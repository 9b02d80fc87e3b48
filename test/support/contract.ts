import type { Test } from 'tap'
import { createClient, type Client } from '../../src/client/client.ts'
import { startApi, type Respond, type Api, type Json } from './keycloak-api.ts'
import { credentials, grant, ofUser, secretOf, tokenOf } from './keycloak-tokens.ts'

/** An issuer that has imported keycloak/myorg-realm.json, and another one. */
export interface Parties {
  readonly issuer: string
  /** Another realm with the same clients. */
  readonly otherIssuer: string
  /** The listener of the service that is called; where there is one, none is named. */
  readonly address?: string
  /** 400, but 401 in older lines of Keycloak. */
  readonly wrongPasswordStatus?: number
}

interface Scene extends Parties { readonly api: Api }

/**
 * The story of the demo, held over real HTTP against the real service: what any issuer with the realm of the demo must do,
 * be it the development issuer or Keycloak.
 */
export async function contract (t: Test, parties: Parties): Promise<void> {
  const scene = { ...parties, api: await startApi(t, { ISSUER: parties.issuer, AUDIENCE: 'test_api' }, { address: parties.address }) }
  await t.test('without a token', (t) => withoutToken(t, scene))
  await t.test('a token without the scope', (t) => withoutScope(t, scene))
  await t.test('a token with the scope', (t) => withScope(t, scene))
  await t.test('what the issuer refuses', (t) => refusedByTheIssuer(t, scene))
  await t.test('tokens that are not for this API', (t) => refusedByTheApi(t, scene))
  await t.test('a user\'s token', (t) => ofAUser(t, scene))
  await t.test('the client of this project', (t) => withTheClient(t, scene))
  await t.test('discovery says the same', (t) => discovery(t, scene))
  await t.test('the log', (t) => secrets(t, scene))
}

const PUBLIC = { status: 200, body: { message: 'No need of Authorization to see this' } }
const PRIVATE = { status: 200, body: { message: 'Authorization is required to see this' } }
const SCOPED = { status: 200, body: { message: 'Authorization with a scope named test_api_access is required to see this' } }
const LACKS_SCOPE =
  'Bearer realm="scopegate", error="insufficient_scope", error_description="The access token lacks the scope test_api_access", ' +
  'scope="test_api_access"'
const INVALID = 'Bearer realm="scopegate", error="invalid_token", error_description="The access token is not valid for this API"'

const core = ({ status, body }: Respond): { status: number, body: Json } => ({ status, body })

async function withoutToken (t: Test, { api }: Scene): Promise<void> {
  t.same(core(await api.get('/api/public')), PUBLIC)
  t.match(await api.get('/api/private'), { status: 401, challenge: /^Bearer realm="scopegate"$/ })
  t.match(await api.get('/api/private-scoped'), { status: 401, challenge: /^Bearer realm="scopegate", scope="test_api_access"$/ })
  t.match(await api.post('/api/messages', { text: 'Hello' }), { status: 401 })
  t.match(await api.get('/health/ready'), { status: 200, body: { status: 'ok' } })
}

async function withoutScope (t: Test, { api, issuer }: Scene): Promise<void> {
  for (const clientId of ['test_api_client', 'test_other_client', 'test_roles_client']) {
    const token = await tokenOf(issuer, credentials(clientId))
    t.same(core(await api.get('/api/private', token)), PRIVATE, clientId)
    const refused = await api.get('/api/private-scoped', token)
    t.match(refused, { status: 403, body: { error: 'insufficient_scope' } })
    t.equal(refused.challenge, LACKS_SCOPE)
    t.match(await api.post('/api/messages', { text: 'Hello' }, token), { status: 403, challenge: LACKS_SCOPE })
    t.match(await api.get('/api/public', 'not looked at'), PUBLIC)
  }
}

async function withScope (t: Test, { api, issuer }: Scene): Promise<void> {
  for (const scope of ['test_api_access', 'email test_api_access']) {
    const token = await tokenOf(issuer, credentials('test_api_client', scope))
    t.same(core(await api.get('/api/private', token)), PRIVATE)
    t.same(core(await api.get('/api/private-scoped', token)), SCOPED)
    t.same(
      core(await api.post('/api/messages', { text: 'Hello' }, token)),
      { status: 201, body: { text: 'Hello', from: 'test_api_client' } }
    )
    t.match(await api.post('/api/messages', { text: '' }, token), { status: 400 })
  }
  const { grant_type: grantType = '', scope = '' } = credentials('test_api_client', 'test_api_access')
  const basic = `Basic ${Buffer.from(`test_api_client:${secretOf('test_api_client')}`).toString('base64')}`
  const { status, body } = await grant(issuer, { grant_type: grantType, scope }, { authorization: basic })
  t.equal(status, 200, 'credentials in the header')
  t.same(core(await api.get('/api/private-scoped', String(body.access_token))), SCOPED)
}

async function refusedByTheIssuer (t: Test, { issuer }: Scene): Promise<void> {
  const refused = async (form: Record<string, string>, status: number, body: Json): Promise<void> => {
    const response = await grant(issuer, form)
    t.same({ status: response.status, body: response.body }, { status, body })
  }
  await refused(
    credentials('test_other_client', 'test_api_access'),
    400,
    { error: 'invalid_scope', error_description: 'Invalid scopes: test_api_access' }
  )
  await refused(
    { ...credentials('test_api_client'), client_secret: 'wrong' },
    401,
    { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' }
  )
  await refused(credentials('no_such_client'), 401, {
    error: 'invalid_client', error_description: 'Invalid client or Invalid client credentials'
  })
  await refused(credentials('test_api'), 401, {
    error: 'unauthorized_client', error_description: 'Client not enabled to retrieve service account'
  })
  await refused(
    { ...credentials('test_api_client'), grant_type: 'telepathy' },
    400,
    { error: 'unsupported_grant_type', error_description: 'Unsupported grant_type' }
  )
}

async function refusedByTheApi (t: Test, { api, issuer, otherIssuer }: Scene): Promise<void> {
  const good = await tokenOf(issuer, credentials('test_api_client', 'test_api_access'))
  const [header = '', payload = '', signature = ''] = good.split('.')
  const richer =
    Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()) as Json, azp: 'admin' })).toString('base64url')
  const tokens: ReadonlyArray<readonly [name: string, token: string, reason: string]> = [
    ['made for another API: no aud', await tokenOf(issuer, credentials('test_stranger_client')), 'audience_mismatch'],
    ['of another realm', await tokenOf(otherIssuer, credentials('test_api_client', 'test_api_access')), 'issuer_mismatch'],
    ['an ID token', await tokenOf(issuer, credentials('test_api_client', 'openid'), 'id_token'), 'wrong_kind'],
    ['a changed payload', `${header}.${richer}.${signature}`, 'signature_invalid'],
    [
      'another token\'s signature',
      `${good.slice(0, good.lastIndexOf('.'))}.${(await tokenOf(issuer, credentials('test_api_client'))).split('.')[2] ?? ''}`,
      'signature_invalid'
    ],
    ['cut in the middle', good.slice(0, good.length / 2), 'not_three_parts'],
    ['no token at all', 'Hello', 'not_three_parts']
  ]
  for (const [name, token, reason] of tokens) {
    const { status, challenge, reason: logged, body } = await api.refusal(token)
    t.same(
      { status, challenge, reason: logged, error: body.error },
      { status: 401, challenge: INVALID, reason, error: 'invalid_token' },
      name
    )
  }
  t.same(core(await api.get('/api/private-scoped', good)), SCOPED, 'the good one is as good as before')
}

async function ofAUser (t: Test, { api, issuer, wrongPasswordStatus: status = 400 }: Scene): Promise<void> {
  t.same(core(await api.get('/api/private', await tokenOf(issuer, ofUser()))), PRIVATE)
  t.same(core(await api.get('/api/private-scoped', await tokenOf(issuer, ofUser('test_api_access')))), SCOPED)
  t.match(
    await grant(issuer, { ...ofUser(), password: 'wrong' }),
    { status, body: { error: 'invalid_grant', error_description: 'Invalid user credentials' } }
  )
}

async function withTheClient (t: Test, { api, issuer }: Scene): Promise<void> {
  for (const clientAuthentication of ['post', 'basic'] as const) {
    const clientOf = (clientId: string, clientSecret = secretOf(clientId)): Client => {
      const client = createClient({ issuer, clientId, clientSecret, clientAuthentication, scope: ['test_api_access'], apiUrl: api.url })
      t.teardown(() => client.close())
      return client
    }
    const response = await clientOf('test_api_client').fetch('/api/private-scoped')
    t.same({ status: response.status, body: await response.json() as Json }, SCOPED, clientAuthentication)
    await t.rejects(clientOf('test_other_client').fetch('/api/private-scoped'), { code: 'scope_refused' })
    await t.rejects(clientOf('test_api_client', 'wrong').fetch('/api/private-scoped'), { code: 'credentials_refused' })
    await t.rejects(clientOf('no such client: %+é', 'a:%+é').fetch('/api/private-scoped'), { code: 'credentials_refused' })
  }
}

async function discovery (t: Test, { issuer }: Scene): Promise<void> {
  const document = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json() as Json
  t.match(document, {
    issuer, token_endpoint: `${issuer}/protocol/openid-connect/token`, jwks_uri: `${issuer}/protocol/openid-connect/certs`
  })
  t.ok((document.scopes_supported as string[]).includes('test_api_access'))
}

async function secrets (t: Test, { api }: Scene): Promise<void> {
  t.ok(api.lines.length > 20, 'there are lines')
  t.notMatch(JSON.stringify(api.lines), /ey[\w-]{20,}\.|demo-secret|demo-password/, 'no token and no secret')
  await Promise.resolve()
}
