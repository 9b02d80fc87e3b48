import { randomUUID, type JsonWebKey } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createClient, type Client, type ClientOptions } from '../../src/client/client.ts'
import { identity } from '../client/certificates.ts'
import { newKey, signTexts, TestIssuer, type SigningKey } from '../support/issuer.ts'
import { testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { startApi, type Api, type Json } from '../support/keycloak-api.ts'
import { decode } from '../support/keycloak-tokens.ts'
import { isOlder } from './older.ts'

type Authenticating = Partial<Pick<ClientOptions,
  'clientSecret' | 'clientAuthentication' | 'clientKey' | 'clientKeyId' | 'clientKeyAlgorithm' | 'clientAssertion' | 'now'>>

interface Scene { readonly realm: TestRealm, readonly api: Api }

const PATH = '/api/private'
const SECRETS = ['plain', 'p+ %&:=~/?#', 'ö€😀']

/** Every way in which our client authenticates, but for certificates, at the real token endpoint. */
export async function authentication (t: Test, url: string, { reachesTests }: { readonly reachesTests: boolean }): Promise<void> {
  const realm = await testRealm(t, url, `authentication-${process.pid}`)
  const scene = { realm, api: await startApi(t, { ISSUER: realm.issuer, AUDIENCE: 'test_api' }) }
  await t.test('client_secret_basic and client_secret_post', (t) => secrets(t, scene))
  for (const alg of ['RS256', 'PS256', 'ES256', 'EdDSA']) await t.test(`private_key_jwt, ${alg}`, (t) => keys(t, scene, alg))
  await t.test('private_key_jwt, the certificate of the key is registered', (t) => certificate(t, scene))
  await t.test('private_key_jwt, a key that is not registered', (t) => strangeKey(t, scene))
  const skip = isOlder ? 'not in this version' : reachesTests ? false : 'Keycloak runs in a container'
  await t.test('an assertion in a file (federated-jwt)', { skip }, (t) => federated(t, scene))
}

function clientOf (t: Test, { realm: { issuer }, api }: Scene, clientId: string, options: Authenticating): Client {
  const client = createClient({ issuer, clientId, apiUrl: api.url, ...options })
  t.teardown(() => client.close())
  return client
}

async function works (t: Test, scene: Scene, clientId: string, options: Authenticating): Promise<void> {
  const client = clientOf(t, scene, clientId, options)
  t.equal((await client.fetch(PATH)).status, 200, clientId)
  t.equal(decode(await client.token()).payload.azp, clientId)
}

async function secrets (t: Test, scene: Scene): Promise<void> {
  for (const [at, secret] of SECRETS.entries()) {
    // A client id may have such characters too.
    const clientId = `secret ${at} +%:`
    await scene.realm.addClient(clientId, { secret })
    for (const clientAuthentication of ['client_secret_basic', 'client_secret_post'] as const) {
      await works(t, scene, clientId, { clientSecret: secret, clientAuthentication })
      await t.rejects(
        clientOf(t, scene, clientId, { clientSecret: `${secret}x`, clientAuthentication }).token(),
        { code: 'credentials_refused' }
      )
    }
  }
}

const pemOf = ({ privateKey }: SigningKey): string => privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
const jwkOf = ({ privateKey, kid, alg }: SigningKey): JsonWebKey => ({ ...privateKey.export({ format: 'jwk' }), kid, alg })

/** A client whose public key Keycloak has as a key set, and which may sign with no other algorithm. */
async function addKeyClient ({ realm }: Scene, clientId: string, { jwk, alg }: SigningKey): Promise<void> {
  const attributes = { 'use.jwks.string': 'true', 'jwks.string': JSON.stringify({ keys: [jwk] }), 'token.endpoint.auth.signing.alg': alg }
  await realm.addClient(clientId, { clientAuthenticatorType: 'client-jwt', attributes })
}

async function keys (t: Test, scene: Scene, alg: string): Promise<void> {
  const key = newKey(alg)
  const clientId = `key_${alg}`
  await addKeyClient(scene, clientId, key)
  const folder = t.testdir({ pem: pemOf(key), jwk: JSON.stringify(jwkOf(key)) })
  const named = { clientKeyId: key.kid, clientKeyAlgorithm: alg as 'RS256' }
  const cases: readonly Authenticating[] = [
    { clientKey: pemOf(key), ...named }, { clientKey: { file: join(folder, 'pem') }, ...named },
    { clientKey: jwkOf(key) }, { clientKey: { file: join(folder, 'jwk') } }
  ]
  for (const options of cases) await works(t, scene, clientId, options)
}

/** A certificate has no kid: the assertion has none either. */
async function certificate (t: Test, scene: Scene): Promise<void> {
  const { cert, key } = identity('key_certificate')
  const attributes = { 'jwt.credential.certificate': cert.replace(/-----[^-]+-----|\n/g, '') }
  await scene.realm.addClient('key_certificate', { clientAuthenticatorType: 'client-jwt', attributes })
  for (const clientKeyAlgorithm of ['RS256', 'PS256'] as const) {
    await works(t, scene, 'key_certificate', { clientKey: key, clientKeyAlgorithm })
  }
}

async function strangeKey (t: Test, scene: Scene): Promise<void> {
  await addKeyClient(scene, 'key_strange', newKey('ES256'))
  const client = clientOf(t, scene, 'key_strange', { clientKey: jwkOf(newKey('ES256')) })
  await t.rejects(client.token(), { code: 'credentials_refused' })
}

/** Another issuer, run by this test, issues the assertions; a program beside the client writes them into the file. */
async function federated (t: Test, scene: Scene): Promise<void> {
  const { realm } = scene
  const provider = await TestIssuer.start(newKey('ES256'))
  t.teardown(() => provider.stop())
  const config = {
    issuer: provider.issuer, jwksUrl: provider.jwksUrl, useJwksUrl: 'true', validateSignature: 'true', supportsClientAssertions: 'true',
    clientId: 'unused', clientSecret: 'unused', authorizationUrl: `${provider.issuer}/unused`, tokenUrl: `${provider.issuer}/unused`
  }
  for (const [alias, more] of Object.entries({ once: {}, reusing: { supportsClientAssertionReuse: 'true' } })) {
    await realm.admin('POST', '/identity-provider/instances', {
      alias, providerId: 'oidc', enabled: true, config: { ...config, ...more, issuer: `${provider.issuer}/${alias}` }
    })
    const attributes = { 'jwt.credential.issuer': alias, 'jwt.credential.sub': `workload-${alias}` }
    await realm.addClient(`federated_${alias}`, { clientAuthenticatorType: 'federated-jwt', attributes })
  }
  const assertion = (alias: string, changes: Json = {}): string => {
    const iat = Math.floor(Date.now() / 1000)
    const claims = {
      iss: `${provider.issuer}/${alias}`, sub: `workload-${alias}`, aud: realm.issuer, iat, exp: iat + 60, jti: randomUUID(), ...changes
    }
    return signTexts(provider.key, JSON.stringify(provider.header()), JSON.stringify(claims))
  }
  const file = join(t.testdir({ assertion: assertion('once') }), 'assertion')
  const clock = { ms: 0 }
  const options: Authenticating = { clientAssertion: { file }, now: () => clock.ms }
  const client = clientOf(t, scene, 'federated_once', options)
  t.equal((await client.fetch(PATH)).status, 200)
  writeFileSync(file, `${assertion('once')}\n`)
  clock.ms += 300_000
  t.equal((await client.fetch(PATH)).status, 200, 'a new token for the new assertion')
  clock.ms += 300_000
  await t.rejects(
    client.token(),
    { code: 'credentials_refused', message: /has seen this assertion before/ },
    'Keycloak accepts each assertion once'
  )
  writeFileSync(file, assertion('once', { sub: 'another-workload' }))
  await t.rejects(clientOf(t, scene, 'federated_once', options).token(), { code: 'credentials_refused' }, 'another workload')

  writeFileSync(file, assertion('reusing'))
  const reusing = clientOf(t, scene, 'federated_reusing', options)
  for (let use = 0; use < 3; use++) {
    t.equal((await reusing.fetch(PATH)).status, 200, 'where the provider allows it, an assertion is used again, as Kubernetes does')
    clock.ms += 300_000
  }
}
