import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createClient, type Client, type ClientOptions } from '../../src/client/client.ts'
import { holder, proof, type Holder } from '../support/dpop.ts'
import { testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { startApi, type Api, type Json } from '../support/keycloak-api.ts'
import { freePort } from '../support/free-port.ts'
import { credentials, decode, secretOf, tokenOf } from '../support/keycloak-tokens.ts'
import { BINDING_TYPE, isOlder } from './older.ts'

/** A service that knows its own address, as it must with DPoP, and the status of each of its responses. */
interface BoundApi extends Api { readonly statuses: number[] }

const PATH = '/api/private'

/** Tokens that the real token endpoint binds to a key of our client, presented to our service. */
export async function dpopBound (t: Test, url: string): Promise<void> {
  const realm = await testRealm(t, url, `dpop-${process.pid}`)
  const owner = holder()
  const clients = { need: boundClient(t, realm, owner, 'test_dpop_client'), neednot: boundClient(t, realm, owner, 'test_api_client') }
  for (const mode of ['allowed', 'required']) {
    const api = await startBound(t, realm, { DPOP: mode })
    await t.test(`DPOP=${mode}`, async (t) => {
      for (const clientOf of Object.values(clients)) await accepted(t, api, clientOf, owner)
      await refused(t, api, realm, owner, await clients.need(api).token())
      t.match(
        await api.get(PATH, await tokenOf(realm.issuer, credentials('test_api_client'))),
        { status: mode === 'allowed' ? 200 : 401 },
        'an unbound token as Bearer'
      )
    })
  }
  await t.test('keys of other kinds, and a new one', (t) => kindsOfKeys(t, realm))
  await t.test('DPOP_NONCE=on costs one retry', (t) => nonce(t, realm, clients.need))
}

async function startBound (t: Test, realm: TestRealm, environment: Record<string, string>): Promise<BoundApi> {
  const port = await freePort()
  const statuses: number[] = []
  const api = await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api', PUBLIC_URL: `http://localhost:${port}`, ...environment }, {
    port, prepare: (app) => app.addHook('onResponse', async (_request, { statusCode }) => { statuses.push(statusCode) })
  })
  return { ...api, url: `http://localhost:${port}`, statuses }
}

type ClientOf = (api: Api) => Client

function boundClient (t: Test, { issuer }: TestRealm, { key }: Holder, clientId: string): ClientOf {
  return (api) => {
    const options: ClientOptions = { issuer, clientId, clientSecret: secretOf(clientId), apiUrl: api.url, dpop: { key: key.privateKey } }
    const client = createClient(options)
    t.teardown(() => client.close())
    return client
  }
}

async function accepted (t: Test, api: BoundApi, clientOf: ClientOf, { jkt }: Holder): Promise<void> {
  const client = clientOf(api)
  t.match(decode(await client.token()).payload, { typ: 'DPoP', cnf: { jkt, ...isOlder ? {} : BINDING_TYPE } })
  for (const path of [PATH, `${PATH}?a=b`]) t.equal((await client.fetch(path)).status, 200)
}

async function refused (t: Test, api: Api, { issuer }: TestRealm, owner: Holder, token: string): Promise<void> {
  const unbound = await tokenOf(issuer, credentials('test_api_client'))
  const proofOf = (one: string, by = owner): string => proof(by, { url: `${api.url}${PATH}`, token: one })
  const call = async (headers: Record<string, string>): Promise<{ status: number, reason: unknown }> => {
    const { status } = await fetch(`${api.url}${PATH}`, { headers })
    return { status, reason: status === 200 ? undefined : api.lines.findLast((line: Json) => line.reason !== undefined)?.reason }
  }
  const once = { authorization: `DPoP ${token}`, dpop: proofOf(token) }
  const cases: ReadonlyArray<readonly [name: string, headers: Record<string, string>, status: number, reason?: string]> = [
    ['with a proof', once, 200],
    ['the same proof again', once, 401, 'dpop_replayed'],
    ['without a proof', { authorization: `DPoP ${token}` }, 401, 'dpop_missing'],
    ['as Bearer', { authorization: `Bearer ${token}` }, 401, 'bound_token_as_bearer'],
    ['as Bearer with a proof', { authorization: `Bearer ${token}`, dpop: proofOf(token) }, 401, 'bound_token_as_bearer'],
    ['the proof of another key', { authorization: `DPoP ${token}`, dpop: proofOf(token, holder()) }, 401, 'dpop_key_mismatch'],
    ['an unbound token as DPoP', { authorization: `DPoP ${unbound}`, dpop: proofOf(unbound) }, 401, 'token_not_bound'],
    ['with a new proof', { authorization: `DPoP ${token}`, dpop: proofOf(token) }, 200]
  ]
  for (const [name, headers, status, reason] of cases) t.match(await call(headers), { status, reason }, name)
}

async function kindsOfKeys (t: Test, realm: TestRealm): Promise<void> {
  const api = await startBound(t, realm, { DPOP: 'required' })
  for (const owner of ['RS256', 'EdDSA', 'ES384'].map(holder)) {
    await accepted(t, api, boundClient(t, realm, owner, 'test_dpop_client'), owner)
  }
  const client = createClient({
    issuer: realm.issuer, clientId: 'test_dpop_client', clientSecret: secretOf('test_dpop_client'), apiUrl: api.url, dpop: true
  })
  t.teardown(() => client.close())
  t.equal((await client.fetch(PATH)).status, 200, 'a new key')
  t.equal((await client.wrap()(`${api.url}${PATH}`)).status, 200, 'through a fetch that is wrapped')
}

async function nonce (t: Test, realm: TestRealm, clientOf: ClientOf): Promise<void> {
  const folder = t.testdir({ nonce: randomBytes(48).toString('base64') })
  const api = await startBound(t, realm, { DPOP: 'required', DPOP_NONCE: 'on', DPOP_NONCE_SECRET_FILE: join(folder, 'nonce') })
  const client = clientOf(api)
  for (let call = 0; call < 3; call++) t.equal((await client.fetch(PATH)).status, 200)
  t.same(api.statuses, [401, 200, 200, 200])
  t.equal(api.lines.filter(({ reason }) => reason === 'dpop_nonce_missing').length, 1)
}
