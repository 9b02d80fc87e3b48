import { writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createClient, type Client, type ClientOptions } from '../../src/client/client.ts'
import type { CertificateAuthority, Issued } from '../support/certificate-authority.ts'
import { testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { startApi, type Api } from '../support/keycloak-api.ts'
import { decode, secretOf } from '../support/keycloak-tokens.ts'

/** A Keycloak with https that requests certificates, and the authority whose certificates it accepts. */
export interface OverTls {
  readonly url: string
  readonly httpsUrl: string
  readonly authority: CertificateAuthority
}

interface Scene {
  readonly realm: TestRealm
  /** Of the realm, by https. */
  readonly issuer: string
  readonly ca: string
  readonly worker: Issued
  readonly other: Issued
  /** Its own TLS, CLIENT_CERTIFICATE=tls. */
  readonly api: Api
}

type Making = Partial<Pick<ClientOptions, 'clientSecret' | 'clientAuthentication' | 'mtls' | 'clientCertificate'>>

const PATH = '/api/private'
const BOUND = { 'tls.client.certificate.bound.access.tokens': 'true' }
const BY_CERTIFICATE = { clientAuthenticatorType: 'client-x509', attributes: { ...BOUND, 'x509.subjectdn': 'CN=worker' } }

/** Tokens that the real token endpoint binds to the certificate of our client, presented to our service over its own TLS. */
export async function certificateBound (t: Test, { url, httpsUrl, authority }: OverTls): Promise<void> {
  const realm = await testRealm(t, url, `certificates-${process.pid}`)
  await realm.addClient('by_secret', { attributes: BOUND })
  await realm.addClient('by_certificate', BY_CERTIFICATE)
  const own = authority.issue('localhost')
  const issuer = `${httpsUrl}/realms/${realm.name}`
  const started = await startApi(t, {
    // The keys are fetched by http: Node reads the authorities of a process at its start.
    ISSUER: issuer, JWKS_URL: `${realm.issuer}/protocol/openid-connect/certs`, AUDIENCE: 'test_api',
    CLIENT_CERTIFICATE: 'tls', TLS_CERT_FILE: own.certFile, TLS_KEY_FILE: own.keyFile
  })
  const api = { ...started, url: `https://localhost:${new URL(started.url).port}` }
  const scene: Scene = { realm, issuer, ca: authority.cert, worker: authority.issue('worker'), other: authority.issue('other'), api }
  await t.test('a client with a secret, bound', (t) => bound(t, scene, 'by_secret', { clientSecret: secretOf('by_secret') }))
  await t.test(
    'a client with a secret in the form, bound',
    (t) => bound(t, scene, 'by_secret', { clientSecret: secretOf('by_secret'), clientAuthentication: 'client_secret_post' })
  )
  await t.test('tls_client_auth, bound', (t) => bound(t, scene, 'by_certificate', {}))
  await t.test('tls_client_auth: another certificate, and none', (t) => notAuthenticated(t, scene))
  await t.test('the files are replaced', (t) => replaced(t, scene))
}

function clientOf (t: Test, { issuer, ca, api }: Scene, clientId: string, making: Making): Client {
  const client = createClient({ issuer, clientId, ca, apiUrl: api.url, ...making })
  t.teardown(() => client.close())
  return client
}

async function bound (t: Test, scene: Scene, clientId: string, making: Making): Promise<void> {
  const { worker, other, api } = scene
  const client = clientOf(t, scene, clientId, { mtls: worker, ...making })
  const token = await client.token()
  t.match(decode(token).payload, { typ: 'Bearer', azp: clientId, cnf: { 'x5t#S256': worker.thumbprint } })
  t.equal((await client.fetch(PATH)).status, 200, 'our client presents the certificate to the API')
  const cases: ReadonlyArray<readonly [name: string, presented: Issued | undefined, status: number, reason?: string]> = [
    ['its certificate', worker, 200],
    ['another certificate of the same authority', other, 401, 'certificate_mismatch'],
    ['no certificate', undefined, 401, 'certificate_missing']
  ]
  for (const [name, presented, status, reason] of cases) {
    t.equal(await call(scene, token, presented), status, name)
    if (reason !== undefined) t.equal(api.lines.findLast((line) => line.reason !== undefined)?.reason, reason, name)
  }
  if (making.clientSecret === undefined) return
  const without = clientOf(t, scene, clientId, making)
  await t.rejects(without.token(), { code: 'request_refused', message: /requires a client certificate of this client: set mtls/ })
}

async function notAuthenticated (t: Test, scene: Scene): Promise<void> {
  const { worker, other, realm } = scene
  await t.rejects(clientOf(t, scene, 'by_certificate', { mtls: other }).token(), { code: 'credentials_refused' }, 'another certificate')
  await t.rejects(clientOf(t, scene, 'by_certificate', { clientSecret: 'any' }).token(), { code: 'credentials_refused' }, 'a secret')
  const authenticating = clientOf(t, scene, 'by_certificate', { clientCertificate: worker })
  t.match(decode(await authenticating.token()).payload, { cnf: { 'x5t#S256': worker.thumbprint } })
  t.equal((await authenticating.fetch(PATH)).status, 401, 'clientCertificate authenticates only: the API receives none')
  await realm.addClient('not_bound', { ...BY_CERTIFICATE, attributes: { 'x509.subjectdn': 'CN=worker' } })
  const unbound = clientOf(t, scene, 'not_bound', { clientCertificate: worker })
  t.equal(decode(await unbound.token()).payload.cnf, undefined)
  t.equal((await unbound.fetch(PATH)).status, 200, 'a token that is not bound needs no certificate')
}

/** The next token is bound to the new certificate, a token that is bound to the old one is replaced, and no call fails. */
async function replaced (t: Test, scene: Scene): Promise<void> {
  const { worker, other } = scene
  const folder = t.testdir({ cert: worker.cert, key: worker.key })
  const clock = { ms: 0 }
  const client = createClient({
    issuer: scene.issuer, clientId: 'by_secret', clientSecret: secretOf('by_secret'), ca: scene.ca, apiUrl: scene.api.url,
    mtls: { cert: { file: join(folder, 'cert') }, key: { file: join(folder, 'key') } }, now: () => clock.ms
  })
  t.teardown(() => client.close())
  t.equal((await client.fetch(PATH)).status, 200)
  clock.ms += 150_000
  const scope = ['test_api_access']
  t.equal((await client.fetch(PATH, { scope })).status, 200)
  const old = await client.token({ scope })
  writeFileSync(join(folder, 'key'), other.key)
  writeFileSync(join(folder, 'cert'), other.cert)
  t.equal((await client.fetch(PATH)).status, 200, 'the token and the certificate of before')
  clock.ms += 150_000
  t.equal((await client.fetch(PATH)).status, 200)
  t.match(decode(await client.token()).payload, { cnf: { 'x5t#S256': other.thumbprint } })
  t.equal(await client.token({ scope }), old, 'the other token is bound to the old certificate')
  t.equal((await client.fetch(PATH, { scope })).status, 200)
  t.match(decode(await client.token({ scope })).payload, { cnf: { 'x5t#S256': other.thumbprint } })
}

/** A call with this token and this certificate, as a thief could send it; the status. */
function call ({ api, ca }: Scene, token: string, presented: Issued | undefined): Promise<number> {
  return new Promise((resolve, reject) => {
    const material = presented !== undefined && { cert: presented.cert, key: presented.key }
    request(new URL(PATH, api.url), { agent: false, ca, ...material, headers: { authorization: `Bearer ${token}` } }, (response) => {
      resolve(response.statusCode ?? 0)
      response.resume()
    }).on('error', reject).end()
  })
}
