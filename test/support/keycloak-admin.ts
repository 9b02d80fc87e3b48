import type { Test } from 'tap'
import { DEMO_ADMIN } from '../../tools/keycloak/server.ts'
import type { Json } from './keycloak-api.ts'
import { myorgFile, secretOf, tokenOf } from './keycloak-tokens.ts'

/** A realm of a test's own in a real Keycloak; gone when the test ends. */
export interface TestRealm {
  readonly name: string
  readonly issuer: string
  /** A call of the Admin API below this realm; throws unless it went well. */
  admin: (method: string, path: string, body?: unknown) => Promise<unknown>
  /** One more client like test_api_client but for these members; its secret follows from its id as those of the demo do. */
  addClient: (clientId: string, changes?: Json) => Promise<void>
}

/** A call of the Admin API below `/admin/realms`; throws unless it went well. Admin tokens live for a minute: one for every call. */
export async function callAdmin (url: string, method: string, path: string, body?: unknown): Promise<unknown> {
  const token = await tokenOf(`${url}/realms/master`, { grant_type: 'password', client_id: 'admin-cli', ...DEMO_ADMIN })
  const response = await fetch(`${url}/admin/realms${path}`, {
    method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...body !== undefined && { body: JSON.stringify(body) }
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text === '' ? undefined : JSON.parse(text)
}

/** `realm`: that of the demo under another name, unless another representation is given. */
export async function testRealm (t: Test, url: string, name: string, realm: Json = myorgFile()): Promise<TestRealm> {
  await callAdmin(url, 'POST', '', { ...realm, realm: name })
  t.teardown(() => callAdmin(url, 'DELETE', `/${name}`))
  const admin: TestRealm['admin'] = (method, path, body) => callAdmin(url, method, `/${name}${path}`, body)
  const model = (myorgFile().clients as Json[]).find(({ clientId }) => clientId === 'test_api_client')
  return {
    name,
    issuer: `${url}/realms/${name}`,
    admin,
    async addClient (clientId, changes = {}) {
      await admin('POST', '/clients', { ...model, clientId, secret: secretOf(clientId), ...changes })
    }
  }
}

/** The client as the Admin API knows it. */
export async function clientOf (realm: TestRealm, clientId: string): Promise<Json & { readonly id: string }> {
  const [client] = await realm.admin('GET', `/clients?clientId=${clientId}`) as Array<Json & { id: string }>
  if (client === undefined) throw new Error(`${realm.name} has no client ${clientId}`)
  return client
}
