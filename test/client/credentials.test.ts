import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jwtVerify } from 'jose'
import t from 'tap'
import { createClient } from '../../src/client/client.ts'
import type { ClientOptions } from '../../src/client/client.ts'
import { identity, listenTls } from './certificates.ts'
import { json, listen, story, tokens } from './fakes.ts'
import type { Story } from './fakes.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const without: object = { clientSecret: undefined }
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
const pem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string
const jwk = (key: KeyObject, more: object = {}): string => JSON.stringify({ ...key.export({ format: 'jwk' }), ...more })

/** The assertion of the last token request, verified by another library. */
async function assertionIn ({ issuer }: Pick<Story, 'issuer'>, key: KeyObject, audience: string) {
  const { form, headers } = issuer.seen.at(-1)!
  const verified = await jwtVerify(form.get('client_assertion')!, createPublicKey(key), {
    audience, issuer: 'client one', subject: 'client one', requiredClaims: ['jti', 'exp', 'iat']
  })
  return {
    ...verified.protectedHeader, type: form.get('client_assertion_type'), clientId: form.get('client_id'),
    basic: headers.authorization, exp: verified.payload.exp! - verified.payload.iat!, jti: verified.payload.jti
  }
}

t.test('private_key_jwt: every kind of key, as PEM or JWK', async (t) => {
  const ed = generateKeyPairSync('ed25519').privateKey
  const cases: ReadonlyArray<readonly [
    name: string, key: KeyObject,
    options: Pick<ClientOptions, 'clientKey' | 'clientKeyId' | 'clientKeyAlgorithm' | 'clientAuthentication'>, alg: string,
    kid?: string
  ]> = [
    ['RSA, PEM', rsa, { clientKey: pem(rsa) }, 'RS256'],
    ['RSA, PKCS #1', rsa, { clientKey: rsa.export({ type: 'pkcs1', format: 'pem' }) as string }, 'RS256'],
    ['RSA, PS256', rsa, { clientKey: pem(rsa), clientKeyAlgorithm: 'PS256', clientKeyId: 'one' }, 'PS256', 'one'],
    ['RSA, JWK that says PS256', rsa, { clientKey: jwk(rsa, { alg: 'PS256', kid: 'two' }) }, 'PS256', 'two'],
    ['EC, SEC 1', ec, { clientKey: ec.export({ type: 'sec1', format: 'pem' }) as string }, 'ES256'],
    ['EC, JWK as an object', ec, { clientKey: ec.export({ format: 'jwk' }) }, 'ES256'],
    ['EC, KeyObject', ec, { clientKey: ec }, 'ES256'],
    ['EC, a function', ec, { clientKey: async () => pem(ec) }, 'ES256'],
    ['Ed25519', ed, { clientKey: pem(ed), clientAuthentication: 'private_key_jwt' }, 'EdDSA']
  ]
  for (const [name, key, options, alg, kid] of cases) {
    const one = await story(t, { ...without, ...options })
    t.equal(await one.client.token(), 'token-1', name)
    const expected = { alg, kid, type: ASSERTION_TYPE, clientId: 'client one', basic: undefined, exp: 60 }
    t.match(
      await assertionIn(one, key, `${one.issuer.url}/token`),
      expected,
      `${name}: no issuer is known, so the audience is the token endpoint`
    )
  }
})

t.test('the audience of an assertion is the issuer, and each assertion is used once', async (t) => {
  const issuer = await listen(t, (response, seen) => {
    if (seen.method === 'GET') json(200, { issuer: `${issuer.url}/realms/x`, token_endpoint: `${issuer.url}/t` })(response, seen)
    else tokens({ expires_in: 1 })(response, seen)
  })
  const of = { ...without, clientKey: pem(ec) }
  const { client, clock } = await story(t, { ...of, tokenEndpoint: undefined, issuer: `${issuer.url}/realms/x` } as object)
  await client.token()
  const first = await assertionIn({ issuer }, ec, `${issuer.url}/realms/x`)
  clock.ms += 1000
  await client.token()
  t.not((await assertionIn({ issuer }, ec, `${issuer.url}/realms/x`)).jti, first.jti)

  issuer.respond = tokens()
  const keycloak = await story(t, { ...of, tokenEndpoint: `${issuer.url}/realms/x/protocol/openid-connect/token` })
  await keycloak.client.token()
  await assertionIn({ issuer }, ec, `${issuer.url}/realms/x`)
})

t.test('a secret in a file that rotates: read for each request, and once more when it is refused', async (t) => {
  const file = join(t.testdir({ secret: 'old\n' }), 'secret')
  const { client, issuer, clock } = await story(t, { clientSecret: { file }, clientAuthentication: 'client_secret_post' })
  const good = tokens({ expires_in: 10 })
  let accepted = 'old'
  issuer.respond = (response, seen) => {
    if (seen.form.get('client_secret') === accepted) good(response, seen)
    else json(401, { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' })(response, seen)
  }
  t.equal(await client.token(), 'token-1')
  writeFileSync(file, 'new')
  accepted = 'new'
  clock.ms += 10_000
  t.equal(await client.token(), 'token-2', 'a new file is read without a refusal')
  t.equal(issuer.seen.length, 2)

  clock.ms += 10_000
  issuer.respond = (response, seen) => {
    if (seen.form.get('client_secret') === 'newest') good(response, seen)
    else {
      writeFileSync(file, 'newest')
      json(401, { error: 'invalid_client' })(response, seen)
    }
  }
  t.equal(await client.token(), 'token-3', 'replaced between its reading and its use')
  t.equal(issuer.seen.length, 4)
})

t.test('a refused secret of a file is not sent again until the file has another one', async (t) => {
  const file = join(t.testdir({ secret: 'old' }), 'secret')
  const { client, issuer, clock } = await story(t, { clientSecret: { file }, clientAuthentication: 'client_secret_post' })
  issuer.respond = (response, seen) => {
    if (seen.form.get('client_secret') === 'new') tokens()(response, seen)
    else json(401, { error: 'invalid_client' })(response, seen)
  }
  for (let second = 0; second < 20; second++) {
    await t.rejects(client.token(), { code: 'credentials_refused', mayChange: true })
    clock.ms += 1000
  }
  t.equal(issuer.seen.length, 1)
  writeFileSync(file, 'new')
  t.equal(await client.token(), 'token-1', 'within a second')
  t.equal(issuer.seen.length, 2)
  clock.ms += 300_000
  writeFileSync(file, 'old')
  await t.rejects(client.token(), { code: 'credentials_refused' })
  clock.ms += 30_000
  await t.rejects(client.token(), { code: 'credentials_refused' })
  t.equal(issuer.seen.length, 4, 'and the same one once in 30 s')
})

t.test('an assertion that somebody else issues', async (t) => {
  const file = join(t.testdir({ assertion: 'a.b.c\n' }), 'assertion')
  const { client, issuer, clock } = await story(t, { ...without, clientAssertion: { file } })
  await client.token()
  t.match(Object.fromEntries(issuer.seen[0]!.form), {
    client_assertion: 'a.b.c', client_assertion_type: ASSERTION_TYPE, client_id: 'client one', grant_type: 'client_credentials'
  })
  writeFileSync(file, 'd.e.f')
  clock.ms += 300_000
  await client.token()
  t.equal(issuer.seen[1]!.form.get('client_assertion'), 'd.e.f')
})

t.test('what cannot be read or used is named without its text', async (t) => {
  const folder = t.testdir({
    empty: ' \n', binary: Buffer.from([0x73, 0xff, 0xfe]), lines: 'a\nb', noKey: 'secret-text',
    public: createPublicKey(ec).export({ type: 'spki', format: 'pem' }) as string
  })
  const cases: ReadonlyArray<readonly [options: Partial<ClientOptions>, message: RegExp]> = [
    [{ clientSecret: { file: join(folder, 'missing') } }, /^the file with the secret cannot be read \(ENOENT\)$/],
    [{ clientSecret: { file: join(folder, 'empty') } }, /^the file with the secret is empty$/],
    [{ clientSecret: { file: join(folder, 'binary') } }, /^the file with the secret is not text in UTF-8: save it as UTF-8/],
    [{ clientKey: { file: join(folder, 'binary') } }, /^the file with the key is not text in UTF-8.* as PEM$/],
    [{ clientSecret: { file: join(folder, 'lines') } }, /^the secret has line breaks in it$/],
    [
      { clientKey: { file: join(folder, 'noKey') } },
      /^the key cannot be used: expected a private key as PEM \(without a passphrase\) or JWK$/
    ],
    [{ clientKey: { file: join(folder, 'public') } }, /^the key cannot be used: expected a private key/],
    [{ clientKey: () => '{' }, /^the key cannot be used: expected a private key as PEM or JWK$/],
    [{ clientCertificate: { cert: { file: join(folder, 'noKey') }, key: 'x' } }, /^certificate and key cannot be used/]
  ]
  for (const [options, message] of cases) {
    const { client, issuer } = await story(t, { ...options.clientSecret === undefined && without, ...options })
    const error: unknown = await client.token().catch((thrown: unknown) => thrown)
    t.match(error, { code: 'secret_unavailable', message })
    t.notMatch((error as Error).message, /secret-text|missing/)
    t.equal(issuer.seen.length, 0)
  }
})

function thrownBy (work: () => unknown): unknown {
  try {
    return work()
  } catch (error) {
    return error
  }
}

t.test('credentials that cannot be used are reported at once', (t) => {
  const small = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey
  const x25519 = generateKeyPairSync('x25519').privateKey
  const { cert } = identity('one')
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const onlySha512 = { modulusLength: 2048, hashAlgorithm: 'sha512', mgf1HashAlgorithm: 'sha512' }
  const restricted = generateKeyPairSync('rsa-pss', onlySha512).privateKey
  const cases: ReadonlyArray<readonly [options: object, option: string, expected: RegExp]> = [
    [{}, 'clientSecret', /the secret of the client/],
    [{ clientSecret: 's', clientKey: pem(ec) }, 'clientSecret', /one kind of credentials, not clientSecret and clientKey/],
    [{ clientSecret: { file: '' } }, 'clientSecret', /the secret of the client/],
    [
      { clientSecret: 's', clientAuthentication: 'private_key_jwt' },
      'clientAuthentication',
      /client_secret_basic or client_secret_post, or clientKey for this method/
    ],
    [{ clientKey: 1 }, 'clientKey', /PEM or JWK/],
    [{ clientKey: createPublicKey(ec) }, 'clientKey', /not a public or secret one/],
    [{ clientKey: pem(small) }, 'clientKey', /an RSA key of 2,048 bits or more/],
    [{ clientKey: pem(x25519) }, 'clientKey', /a key for RS256, PS256, ES256 or EdDSA/],
    [{ clientKey: pem(ec), clientKeyAlgorithm: 'RS256' }, 'clientKey', /a key that fits the algorithm: this one is for ES256/],
    [{ clientKey: pem(ec), clientKeyAlgorithm: 'HS256' }, 'clientKeyAlgorithm', /one of RS256/],
    [{ clientKey: pem(ec), clientKeyId: '' }, 'clientKeyId', /kid/],
    [{ clientAssertion: 'a.b.c' }, 'clientAssertion', /a function that returns the assertion, or \{ file \}/],
    [{ clientCertificate: 'x' }, 'clientCertificate', /\{ cert, key \}/],
    [{ clientKey: { ...ec.export({ format: 'jwk' }), d: other.d } }, 'clientKey', /a key whose private and public parts belong together/],
    [{ clientKey: pem(restricted) }, 'clientKey', /a key that can sign with PS256/],
    [{ clientCertificate: { cert, key: pem(rsa) } }, 'clientCertificate', /: the key does not belong to the certificate/],
    [{ clientCertificate: { cert: pem(rsa), key: cert } }, 'clientCertificate', /a certificate and its key, \{ cert, key \}/],
    [{ clientSecret: 's', ca: 'no certificate' }, 'ca', /as PEM/],
    [{ clientSecret: 's', ca: ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'] }, 'ca', /as PEM/]
  ]
  for (const [options, option, expected] of cases) {
    const all = {
      tokenEndpoint: 'https://issuer.example/token', clientId: 'id', apiUrl: 'https://api.example', ...options
    } as ClientOptions
    const error = thrownBy(() => createClient(all))
    t.match(error, { problems: [{ option, expected }] }, `${option}: ${String(expected)}`)
  }
  t.end()
})

t.test('tls_client_auth: the certificate proves the client, also one that rotates; ca is trusted in addition', async (t) => {
  const own = identity('localhost')
  const first = identity('first')
  const second = identity('second')
  const issuer = await listenTls(t, own)
  const folder = t.testdir({ cert: first.cert, key: first.key })
  const options = {
    issuer: issuer.url,
    clientId: 'id',
    apiUrl: issuer.url,
    ca: own.cert,
    clientCertificate: { cert: { file: join(folder, 'cert') }, key: { file: join(folder, 'key') } }
  }
  const clock = { ms: 0 }
  const client = createClient({ ...options, clientAuthentication: 'tls_client_auth', now: () => clock.ms })
  t.teardown(() => client.close())
  t.match(await (await client.fetch('/x')).json(), { path: '/x' })
  t.same(issuer.presented, ['first', 'first', undefined], 'issuer and token endpoint; the API does not need it')
  t.match(Object.fromEntries(issuer.forms[1]!), { client_id: 'id', grant_type: 'client_credentials' })

  writeFileSync(join(folder, 'cert'), second.cert)
  writeFileSync(join(folder, 'key'), second.key)
  clock.ms += 300_000
  await client.token()
  t.same(issuer.presented.slice(3), ['second'])
  rmSync(join(folder, 'key'))
  clock.ms += 300_000
  await t.rejects(client.token(), {
    code: 'secret_unavailable', message: 'the file with the key of the certificate cannot be read (ENOENT)'
  })

  const stranger = createClient({ tokenEndpoint: `${issuer.url}/token`, clientId: 'id', clientSecret: 's', apiUrl: issuer.url })
  t.teardown(() => stranger.close())
  await t.rejects(stranger.token(), { code: 'issuer_unreachable', message: /not signed by an authority/ }, 'without ca')
  const text = createClient({ ...options, ca: [own.cert], clientCertificate: first, clientAuthentication: 'self_signed_tls_client_auth' })
  t.teardown(() => text.close())
  t.ok(await text.token())
  t.equal(issuer.presented.at(-1), 'first')
})
