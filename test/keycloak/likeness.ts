import type { Test } from 'tap'
import { parseRealm, startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { compare } from '../issuer/recording.ts'
import { credentials, grant, myorgFile, ofUser, secretOf, type Granted } from '../support/keycloak-tokens.ts'
import { holder, tokenProof } from '../support/dpop.ts'
import type { Json } from '../support/keycloak-api.ts'
import { asImitated, withNewMembers } from './older.ts'

const owner = holder()

interface Both { readonly live: string, readonly development: string }

const FORMS: ReadonlyArray<readonly [name: string, form: Record<string, string>]> = [
  ...['test_api_client', 'test_other_client', 'test_stranger_client', 'test_roles_client'].map((clientId) => [
    clientId, credentials(clientId)
  ] as const),
  ['with the scope', credentials('test_api_client', 'test_api_access')],
  ['with openid: an ID token too', credentials('test_api_client', 'openid')],
  ['roles with the scope', credentials('test_roles_client', 'test_api_access email')],
  ['a user', ofUser()],
  ['a user with openid and the scope', ofUser('openid test_api_access')],
  ['a scope that is not for this client', credentials('test_other_client', 'test_api_access')],
  ['two spaces between scopes', credentials('test_api_client', 'email  profile')],
  ['an empty scope', credentials('test_api_client', '')],
  ['a wrong secret', { ...credentials('test_api_client'), client_secret: 'wrong' }],
  ['an unknown client', credentials('no_such_client')],
  ['no client', { grant_type: 'client_credentials' }],
  ['no grant type', { client_id: 'test_api_client', client_secret: secretOf('test_api_client') }],
  ['an unknown grant type', { ...credentials('test_api_client'), grant_type: 'telepathy' }],
  ['a client without a service account', credentials('test_api')],
  ['DPoP required, no proof', credentials('test_dpop_client')],
  ['a user with a wrong password', { ...ofUser(), password: 'wrong' }]
]

const HEADERS = [
  'content-type', 'cache-control', 'pragma', 'www-authenticate', 'x-content-type-options', 'x-frame-options', 'referrer-policy',
  'strict-transport-security'
]

/** The development issuer's responses held against those of a Keycloak with the same realm file, member by member. */
export async function likeness (t: Test, url: string): Promise<void> {
  const issuer = await startDevelopmentIssuer({ realm: parseRealm(myorgFile()) })
  t.teardown(() => issuer.close())
  const both = { live: `${url}/realms/myorg`, development: issuer.issuer }
  for (const [name, form] of FORMS) await t.test(`token endpoint: ${name}`, (t) => sameToken(t, both, form))
  for (const clientId of ['test_api_client', 'test_dpop_client']) {
    await t.test(`token endpoint: ${clientId} with a DPoP proof`, (t) => sameToken(t, both, credentials(clientId, 'test_api_access'), true))
  }
  await t.test('discovery document', (t) => samePage(t, both, '/.well-known/openid-configuration'))
  await t.test('realm information', (t) => samePage(t, both, ''))
  await t.test('keys', (t) => samePage(t, both, '/protocol/openid-connect/certs'))
  await t.test('a realm that is not there', (t) => samePage(t, both, '-not/.well-known/openid-configuration'))
  await t.test('GET at the token endpoint', (t) => samePage(t, both, '/protocol/openid-connect/token'))
}

async function sameToken (t: Test, { live, development }: Both, form: Record<string, string>, proven = false): Promise<void> {
  const granted = (issuer: string): Promise<Granted> => grant(issuer, form, proven ? { dpop: tokenProof(owner, issuer) } : {})
  const [response, found] = await Promise.all([granted(live), granted(development)])
  const wanted = asImitated(response)
  t.equal(found.status, wanted.status, 'status')
  sameHeaders(t, found.headers, response.headers)
  compare(t, found.body, withNewMembers(parsed(here(wanted.body, live, development)), found.body), 'body')
}

async function samePage (t: Test, { live, development }: Both, path: string): Promise<void> {
  const [wanted, found] = await Promise.all([fetch(live + path), fetch(development + path)])
  t.equal(found.status, wanted.status, 'status')
  sameHeaders(t, found.headers, wanted.headers)
  const [body, foundBody] = [await wanted.json(), await found.json()] as [Json, Json]
  const { body: wantedBody } = asImitated({ status: wanted.status, body })
  compare(t, sortedKeys(foundBody), parsed(here(sortedKeys(wantedBody), live, development)), 'body')
}

function sameHeaders (t: Test, found: Headers, wanted: Headers): void {
  for (const name of HEADERS) t.equal(found.get(name), wanted.get(name), name)
}

/** The live response as it would be at the other's address; tokens opened, so that their addresses are moved too. */
function here (body: Json, live: string, development: string): string {
  const opened = JSON.stringify(body, (_name, value: unknown) => {
    if (typeof value !== 'string' || !/^ey[\w-]+\.[\w-]+\.[\w-]+$/.test(value)) return value
    const [header, payload] =
      value.split('.').map((part, at) => at < 2 ? JSON.parse(Buffer.from(part, 'base64url').toString()) as Json : {})
    return { header, payload }
  })
  return opened.replaceAll(new URL(live).origin, new URL(development).origin)
}

const parsed = (text: string): Json => JSON.parse(text) as Json

/** A key set has its two keys in either order. */
function sortedKeys (body: Json): Json {
  if (!Array.isArray(body.keys)) return body
  return { ...body, keys: (body.keys as Json[]).sort((left, right) => String(left.use).localeCompare(String(right.use))) }
}
