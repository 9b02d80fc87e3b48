import { generateKeyPairSync, randomUUID } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Test } from 'tap'
import type { AccessRow } from '../../src/oauth/access-matrix.ts'
import { clientOf, testRealm, type TestRealm } from '../support/keycloak-admin.ts'
import { startApi, type Json } from '../support/keycloak-api.ts'
import { credentials, decode, grant, ofUser, secretOf, tokenOf } from '../support/keycloak-tokens.ts'
import { diagnose, type Diagnosis, type DoctorOptions, type Found } from '../support/doctor.ts'
import { raw } from '../support/raw.ts'
import { addProvider, disable } from './rotation.ts'

interface Scene {
  readonly realm: TestRealm
  readonly other: TestRealm
  /** The settings of the service. */
  readonly env: Readonly<Record<string, string>>
}

/** A fault as the doctor must report it: its names, and the words of the first of them. */
interface Fault extends Pick<Found, 'name'> {
  readonly code?: string
  readonly cause: RegExp
  readonly fix: RegExp
}

const PRIVATE = ['--route', 'GET /api/private']
const SCOPED = ['--route', 'GET /api/private-scoped']

/** The usual faults, each set up in a real realm: the doctor names it as the service does, and what it says to do ends it. */
export async function usualFaults (t: Test, url: string): Promise<void> {
  const realm = await testRealm(t, url, `doctor-${process.pid}`)
  const scene = {
    realm, other: await testRealm(t, url, `doctor-other-${process.pid}`), env: { ISSUER: realm.issuer, AUDIENCE: 'test_api' }
  }
  await t.test('nothing is wrong', (t) => nothingIsWrong(t, scene))
  await t.test('the audience is missing, or it is account', (t) => audience(t, scene))
  await t.test('the scope is granted, but not in the token', (t) => scopeNotInToken(t, scene))
  await t.test('the optional scope is not requested', (t) => scopeNotRequested(t, scene))
  await t.test('the issuer is named by another host', (t) => otherHost(t, scene))
  await t.test('the token comes from another realm', (t) => otherRealm(t, scene))
  await t.test('the clock is wrong', (t) => clock(t, scene))
  await t.test('an ID token', (t) => idToken(t, scene))
  await t.test('at+jwt', (t) => atJwt(t, scene))
  await t.test('a realm role and a client role are missing', (t) => roles(t, scene))
  await t.test('a token that is bound to a DPoP key', (t) => boundToken(t, scene))
  await t.test('two Authorization headers', (t) => twoHeaders(t, scene))
  await t.test('the key was withdrawn', (t) => withdrawnKey(t, scene))
}

/** The doctor's report for programs; that for people says the same, and in neither is a part of the token or a secret. */
async function examine (t: Test, args: readonly string[], options: DoctorOptions, secrets: readonly string[] = []): Promise<Diagnosis> {
  const [report, text] = [await diagnose(args, options), await diagnose(args, { ...options, json: false })]
  const printed = [report.out, report.err, text.out, text.err].join('\n')
  const hidden = [...secrets, ...options.env?.CLIENT_SECRET === undefined ? [] : [options.env.CLIENT_SECRET]]
  for (const one of hidden.flatMap((secret) => secret.split('.'))) t.notOk(printed.includes(one), 'no part of it is printed')
  t.notMatch(printed, /eyJ/, 'nothing that looks like a token')
  const shown = withoutNumbers(text.out)
  for (const { title, cause = '', fix = '' } of report.checks()) {
    for (const words of [title, cause, fix]) t.ok(shown.includes(withoutNumbers(words)), words)
  }
  t.equal(text.exit, report.exit)
  return report
}

/** Each of the two reports may have a token of its own, issued in another second. */
const withoutNumbers = (text: string): string => text.replaceAll(/\d+/g, '0')

/** Exactly these are red, and each has a fix; the first is described by these words. */
function reported (t: Test, { exit, checks }: Diagnosis, { name, code, cause, fix }: Fault, others: readonly string[] = []): void {
  t.equal(exit, 1)
  t.match(checks(), [{ name, ...code !== undefined && { code }, cause, fix }, ...others.map((other) => ({ name: other, fix: /./ }))])
  t.equal(checks().length, 1 + others.length, 'and nothing else is red', { checks: checks() })
}

/** A token on standard input: the doctor gives the reason of the service. */
async function refused (t: Test, { env }: Scene, token: string, fault: Fault, others: readonly string[] = []): Promise<void> {
  const report = await examine(t, PRIVATE, { env, input: `${token}\n` }, [token])
  reported(t, report, fault, others)
  const api = await startApi(t, { ...env })
  const { status, reason } = await api.refusal(token)
  t.match(report.token, { accepted: false, reason, status })
  t.equal(reason, fault.name)
}

/** What the advice led to. */
async function accepted (t: Test, env: Scene['env'], token: string, what: string): Promise<void> {
  const report = await examine(t, PRIVATE, { env, input: token }, [token])
  t.match(report, { exit: 0, token: { accepted: true } }, what)
  t.match(await (await startApi(t, { ...env })).get('/api/private', token), { status: 200 })
}

const clientEnv = ({ env }: Scene, clientId: string, more: Readonly<Record<string, string>> = {}): Record<string, string> =>
  ({ ...env, CLIENT_ID: clientId, CLIENT_SECRET: secretOf(clientId), ...more })

async function nothingIsWrong (t: Test, scene: Scene): Promise<void> {
  const { exit, token, names } = await examine(t, [], { env: clientEnv(scene, 'test_api_client', { SCOPE: 'test_api_access' }) })
  t.match({ exit, token }, { exit: 0, token: { accepted: true } })
  t.same([names('failed'), names('warning')], [[], []])
  t.same(names('skipped'), ['clock'], 'Keycloak sends no Date')
  t.match(names('ok').join(' '), /token_request clock token_form/, 'so that the iat of the new token is compared')
}

const withoutAudience = ({ defaultClientScopes }: Json): unknown =>
  (defaultClientScopes as string[]).filter((name) => name !== 'test_api_audience')

async function audience (t: Test, scene: Scene): Promise<void> {
  const { realm, env } = scene
  const fix = /^In Keycloak open a client scope of the calling client .*Add mapper, By configuration, Audience, and choose test_api as Included Client Audience/
  const defaultClientScopes = withoutAudience(await clientOf(realm, 'test_api_client'))
  await realm.addClient('no_audience', { defaultClientScopes })
  await realm.addClient('account_only', { defaultClientScopes, fullScopeAllowed: true })
  for (const [clientId, cause] of [['no_audience', /^aud absent$/], ['account_only', /^aud "account"$/]] as const) {
    await refused(t, scene, await tokenOf(realm.issuer, credentials(clientId)), { name: 'audience_mismatch', cause, fix })
    reported(t, await examine(t, PRIVATE, { env: clientEnv(scene, clientId) }), { name: 'audience_mismatch', cause, fix })
    const { id } = await clientOf(realm, clientId)
    await realm.admin('POST', `/clients/${id}/protocol-mappers/models`, {
      name: 'audience', protocol: 'openid-connect', protocolMapper: 'oidc-audience-mapper',
      config: { 'included.client.audience': 'test_api', 'access.token.claim': 'true' }
    })
    await accepted(t, env, await tokenOf(realm.issuer, credentials(clientId)), 'with the mapper')
  }
}

async function scopeNotInToken (t: Test, scene: Scene): Promise<void> {
  const { realm } = scene
  const found = (await realm.admin(
    'GET',
    '/client-scopes'
  ) as Array<Json & { id: string, name: string, attributes: Json }>).find(({ name }) => name === 'test_api_access')
  const included = (value: string): Promise<unknown> =>
    realm.admin('PUT', `/client-scopes/${found?.id ?? ''}`, {
      ...found, attributes: { ...found?.attributes, 'include.in.token.scope': value }
    })
  await included('false')
  const fault = {
    name: 'scope_missing',
    code: 'scope_not_in_token',
    cause: /lacks the scope test_api_access\. The issuer grants the scope, but it is not in the token/,
    fix: /switch "Include in token scope" on for this client scope/
  }
  for (const more of [{ SCOPE: 'test_api_access' }, {}]) {
    reported(t, await examine(t, SCOPED, { env: clientEnv(scene, 'test_api_client', more) }), fault)
  }
  const token = await tokenOf(realm.issuer, credentials('test_api_client', 'test_api_access'))
  reported(
    t,
    await examine(t, SCOPED, { env: scene.env, input: token }, [token]),
    { name: 'scope_missing', cause: /lacks the scope test_api_access/, fix: /"Include in token scope" on \(off by default\)/ }
  )
  await included('true')
  t.match(
    await examine(t, SCOPED, { env: clientEnv(scene, 'test_api_client', { SCOPE: 'test_api_access' }) }),
    { exit: 0, token: { accepted: true } },
    'switched on'
  )
}

async function scopeNotRequested (t: Test, scene: Scene): Promise<void> {
  const report = await examine(t, SCOPED, { env: clientEnv(scene, 'test_api_client') })
  reported(t, report, {
    name: 'scope_missing',
    code: 'scope_not_requested',
    cause: /It is an optional scope of this client, and was not requested/,
    fix: /scope=test_api_access in the token request \(SCOPE=test_api_access\)/
  })
  t.match(report.token, { accepted: true }, 'the token itself is good')
  const other = await examine(t, SCOPED, { env: clientEnv(scene, 'test_other_client') })
  reported(t, other, {
    name: 'scope_missing',
    code: 'scope_not_assigned',
    cause: /The client does not have this scope/,
    fix: /add test_api_access to the client/
  })
}

async function otherHost (t: Test, scene: Scene): Promise<void> {
  const { realm: { issuer }, env } = scene
  const named = issuer.replace('localhost', '127.0.0.1')
  const fault = {
    name: 'issuer_mismatch',
    cause: new RegExp(`^iss "${named}"$`),
    fix: /the same realm name under another host name.*Set KC_HOSTNAME, or let the caller request the token at the address in ISSUER/
  }
  const token = await tokenOf(named, credentials('test_api_client'))
  await refused(t, scene, token, fault)
  const { checks } = await examine(t, PRIVATE, {
    env: clientEnv(scene, 'test_api_client', { TOKEN_ENDPOINT: `${named}/protocol/openid-connect/token` })
  })
  t.match(checks(), [fault])
  t.match(checks('ok').find(({ name }) => name === 'key_unknown')?.cause, /the same realm under another name/)
  const split = await examine(
    t,
    PRIVATE,
    { env: { ...env, ISSUER: named, JWKS_URL: `${issuer}/protocol/openid-connect/certs` }, input: token },
    [token]
  )
  t.match(split, { exit: 0, token: { accepted: true } }, 'ISSUER as the token has it')
  t.match(
    split.checks('warning'),
    [{ name: 'discovery_issuer', fix: /issuer_mismatch/ }],
    'and a warning about tokens that are requested at the address of the keys'
  )
}

async function otherRealm (t: Test, scene: Scene): Promise<void> {
  const { realm, other, env } = scene
  const token = await tokenOf(other.issuer, credentials('test_api_client'))
  await refused(t, scene, token, {
    name: 'issuer_mismatch',
    cause: new RegExp(`^iss "${other.issuer}"$`),
    fix: /another realm of the same server\. The caller must request the token from the realm in ISSUER/
  })
  const missing = await examine(t, PRIVATE, { env: { ...env, ISSUER: `${realm.issuer}-no-such` } })
  t.match(missing.checks(), [
    { name: 'discovery_issuer', fix: /check the realm's name/ }, { name: 'keys', code: 'status_404', fix: /check the realm's name/ }
  ])
}

/** The clock of the machine on which service and doctor run is moved by `nowMs`, through which the doctor reads it. */
async function clock (t: Test, scene: Scene): Promise<void> {
  const moved = (seconds: number): (() => number) => () => Date.now() + seconds * 1000
  const env = clientEnv(scene, 'test_api_client')
  const fast = await examine(t, PRIVATE, { env, nowMs: moved(3600) })
  reported(t, fast, {
    name: 'clock',
    code: 'issuer_clock_behind',
    cause: /about (?:3599|3600|3601) s behind the clock of this machine/,
    fix: /Synchronise both clocks \(NTP\)/
  }, ['expired'])
  const slow = await examine(t, PRIVATE, { env, nowMs: moved(-3600) })
  const ahead = {
    name: 'clock',
    code: 'issuer_clock_ahead',
    cause: /about (?:3599|3600|3601) s ahead of.*issued_in_future/,
    fix: /Synchronise both clocks \(NTP\)/
  }
  reported(t, slow, ahead, ['issued_in_future'])
  for (const [report, reason] of [[fast, 'expired'], [slow, 'issued_in_future']] as const) {
    t.match(report.token, { accepted: false, reason })
    t.match(report.checks().at(-1)?.fix, /Compare the clocks of the issuer and of this machine/)
  }
}

async function idToken (t: Test, scene: Scene): Promise<void> {
  const { realm: { issuer }, env } = scene
  const fault = {
    name: 'wrong_kind', cause: /^payload typ "ID"$/, fix: /^It is an ID token\. The caller must send the access_token of the token response/
  }
  for (const form of [ofUser('openid'), credentials('test_api_client', 'openid')]) {
    await refused(t, scene, await tokenOf(issuer, form, 'id_token'), fault)
    const { body } = await grant(issuer, form)
    const whole = await examine(t, PRIVATE, { env, input: JSON.stringify(body) }, [String(body.access_token), String(body.id_token)])
    t.match(whole.token, { accepted: true }, 'of a whole token response the access token is examined')
  }
}

/** TOKEN_KIND=keycloak accepts both types of header, so that the reverse is no fault. */
async function atJwt (t: Test, { realm, ...others }: Scene): Promise<void> {
  const strict = { realm, ...others, env: { ...others.env, TOKEN_KIND: 'at+jwt' } }
  await realm.addClient('header_type')
  const before = await tokenOf(realm.issuer, credentials('header_type'))
  await refused(t, strict, before, {
    name: 'wrong_header_type',
    cause: /^header typ "JWT"$/,
    fix: /switch "Use 'at\+jwt' as access token header type" on for the client \(Advanced\), or set TOKEN_KIND=keycloak/
  })
  await accepted(t, others.env, before, 'TOKEN_KIND=keycloak')
  const change = async (attributes: Json): Promise<string> => {
    const client = await clientOf(realm, 'header_type')
    await realm.admin('PUT', `/clients/${client.id}`, { ...client, attributes: { ...client.attributes as Json, ...attributes } })
    return tokenOf(realm.issuer, credentials('header_type'))
  }
  const after = await change({ 'access.token.header.type.rfc9068': 'true' })
  t.match(decode(after).header, { typ: 'at+jwt' })
  await accepted(t, strict.env, after, 'switched on')
  await accepted(t, others.env, after, 'and TOKEN_KIND=keycloak accepts it too')
  const light = await change({ 'client.use.lightweight.access.token.enabled': 'true' })
  await refused(t, strict, light, {
    name: 'claim_missing', cause: /^client_id$/, fix: /TOKEN_KIND=at\+jwt requires iss, exp, aud, sub, client_id, iat and jti/
  })
}

/** The matrix of a service that requires roles. */
async function matrix (t: Test, env: Scene['env']): Promise<readonly AccessRow[]> {
  const { app } = await startApi(t, { ...env }, {
    prepare: (app) =>
      app.get('/test/both', { config: { auth: { realmRoles: ['auditor'], clientRoles: { test_api: ['writer'] } } } }, () => ({ ok: true }))
  })
  return app.access.routes()
}

async function roles (t: Test, scene: Scene): Promise<void> {
  const { realm } = scene
  const rows = await matrix(t, scene.env)
  await realm.addClient('no_roles')
  const look = (): Promise<Diagnosis> =>
    examine(t, ['--route', 'GET /test/both'], { env: clientEnv(scene, 'no_roles'), ownRoutes: () => Promise.resolve(rows) })
  const fix = /^In Keycloak assign the role \(for a service: Clients, Service accounts roles\).*the role must be in the scope of the client/
  const report = await look()
  reported(t, report, { name: 'role_missing', cause: /^The access token lacks the realm role auditor\.$/, fix }, ['role_missing'])
  t.match(report.checks()[1], { cause: 'The access token lacks the role writer of client test_api.', fix })
  const [caller, api] = [await clientOf(realm, 'no_roles'), await clientOf(realm, 'test_api')]
  const { id: user } = await realm.admin('GET', `/clients/${caller.id}/service-account-user`) as { id: string }
  const [auditor, writer] = [await realm.admin('GET', '/roles/auditor'), await realm.admin('GET', `/clients/${api.id}/roles/writer`)]
  for (const place of [`/users/${user}/role-mappings`, `/clients/${caller.id}/scope-mappings`]) {
    await realm.admin('POST', `${place}/realm`, [auditor])
    await realm.admin('POST', `${place}/clients/${api.id}`, [writer])
  }
  t.match(await look(), { exit: 0, token: { accepted: true } }, 'assigned, and in the scope of the client')
}

async function boundToken (t: Test, scene: Scene): Promise<void> {
  const { realm: { issuer }, env } = scene
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const proof = await new SignJWT({ htm: 'POST', htu: `${issuer}/protocol/openid-connect/token`, jti: randomUUID() })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: publicKey.export({ format: 'jwk' }) }).setIssuedAt().sign(privateKey)
  const token = String((await grant(issuer, credentials('test_dpop_client'), { dpop: proof })).body.access_token)
  await refused(t, scene, token, {
    name: 'confirmation_unsupported',
    cause: /^cnf \["jkt"/,
    fix: /bound to a DPoP key\. Set DPOP=allowed.*switch "Require DPoP bound tokens" off/
  })
  const allowed = { ...env, DPOP: 'allowed', PUBLIC_URL: 'http://localhost:50100' }
  const report = await examine(t, PRIVATE, { env: allowed, input: token }, [token])
  t.match(report, { exit: 0, token: { accepted: true } }, 'DPOP=allowed')
  t.match(report.checks('ok').find(({ name }) => name === 'binding')?.cause, /"Authorization: DPoP <token>" with a proof/)
  const without = await examine(t, PRIVATE, { env: clientEnv(scene, 'test_dpop_client') })
  reported(t, without, {
    name: 'request_refused', cause: /requires DPoP of this client/, fix: /CLIENT_DPOP=on requests a token that is bound to a key/
  })
  t.match(
    await examine(t, PRIVATE, { env: { ...clientEnv(scene, 'test_dpop_client', { CLIENT_DPOP: 'on' }), ...allowed } }),
    { exit: 0, token: { accepted: true } },
    'CLIENT_DPOP=on'
  )

  await scene.realm.addClient('certificate_client', { attributes: { 'tls.client.certificate.bound.access.tokens': 'true' } })
  const withoutCertificate = await examine(t, PRIVATE, { env: clientEnv(scene, 'certificate_client') })
  reported(t, withoutCertificate, {
    name: 'request_refused', cause: /requires a client certificate of this client/, fix: /CLIENT_MTLS=on presents the certificate/
  })
}

async function twoHeaders (t: Test, { realm: { issuer }, env }: Scene): Promise<void> {
  const token = await tokenOf(issuer, credentials('test_api_client'))
  const head = (count: number): string =>
    `GET /api/private HTTP/1.1\r\nHost: localhost\r\n${`Authorization: Bearer ${token}\r\n`.repeat(count)}Connection: close\r\n\r\n`
  const report = await examine(t, PRIVATE, { env, input: head(2) }, [token])
  t.match(report, { exit: 1, token: { accepted: false, reason: 'credentials_repeated', status: 400 } })
  t.match(
    report.checks(),
    [{ name: 'credentials_repeated', title: /more than one Authorization header/, fix: /adds a second one\. Remove it/ }]
  )
  t.match((await examine(t, PRIVATE, { env, input: head(1) }, [token])).token, { accepted: true }, 'removed')
  const api = await startApi(t, { ...env })
  t.match(await raw(api, head(2), 15_000), /^HTTP\/1\.1 400 /)
  t.match(api.lines.filter(({ reason }) => reason !== undefined), [{ reason: 'credentials_repeated' }])
}

async function withdrawnKey (t: Test, scene: Scene): Promise<void> {
  const { realm, env } = scene
  const before = await tokenOf(realm.issuer, credentials('test_api_client'))
  await addProvider(realm)
  await disable(realm, 'rsa-generated')
  await refused(t, scene, before, {
    name: 'key_unknown', cause: /^kid "[\w-]+"$/, fix: /the key was withdrawn and the caller must request a new token/
  })
  await accepted(t, env, await tokenOf(realm.issuer, credentials('test_api_client')), 'a new token')
}
