import t from 'tap'
import type { Reason } from '../../src/oauth/reasons.ts'
import { diagnose } from '../support/doctor.ts'
import { newKey, type Json } from '../support/issuer.ts'
import { startService, type Service } from '../support/service.ts'

const key = newKey()

/** Sends one request and gives its line in the log. */
async function lineOf (service: Service, authorization: string, path = '/api/private'): Promise<Json> {
  await service.get(path, undefined, authorization === '' ? {} : { authorization })
  return service.lines.findLast((line) => line.msg === 'request') ?? {}
}

const REQUIRED = { DPOP: 'required', PUBLIC_URL: 'https://api.example.com' }
const DPOP_ONLY = /^(?!.*Authorization: Bearer).*send "Authorization: DPoP <access token>" with a new proof/
const WITH_DPOP: ReadonlyArray<readonly [authorization: string, reason: Reason, hint: RegExp]> = [
  ['', 'credentials_missing', DPOP_ONLY],
  ['Basic YTpi', 'scheme_unsupported', DPOP_ONLY],
  ['TOKEN', 'scheme_unsupported', DPOP_ONLY],
  ['Token TOKEN', 'scheme_unsupported', DPOP_ONLY],
  ['Bearer TOKEN', 'binding_required', /^(?!.*CLIENT_CERTIFICATE).*Require DPoP bound tokens/],
  ['DPoP TOKEN', 'token_not_bound', /^(?!.*as Bearer).*DPoP proof with the token request/],
  ['DPoP', 'credentials_malformed', /Nothing follows the word DPoP/],
  ['DPoP a b', 'credentials_malformed', /More than one word follows DPoP/],
  ['DPoP\tTOKEN', 'credentials_malformed', /Between DPoP and the token there must be spaces/],
  ['DPoP TOKEN, DPoP TOKEN', 'credentials_malformed', /joined two Authorization headers/],
  ['DPoP DPoP TOKEN', 'credentials_malformed', /DPoP is there twice/],
  ['DPoP Bearer TOKEN', 'credentials_malformed', /Two schemes are in the header, DPoP and Bearer/],
  ['Bearer DPoP TOKEN', 'credentials_malformed', /Two schemes are in the header, Bearer and DPoP/]
]

t.test('where only DPoP is accepted, no hint names a scheme that would be refused again', async (t) => {
  const service = await startService(t, { key, environment: REQUIRED })
  const token = service.issuer.token()
  for (const [authorization, reason, hint] of WITH_DPOP) {
    t.match(await lineOf(service, authorization.replaceAll('TOKEN', token)), { reason, hint }, authorization)
  }
  const both = await startService(t, { key, environment: { ...REQUIRED, DPOP: 'allowed' } })
  t.match(await lineOf(both, ''), { hint: /"Authorization: Bearer <access token>", or with a token that is bound to a DPoP key "Auth/ })
  t.match(await lineOf(both, `DPoP ${both.issuer.token()}`), { reason: 'token_not_bound', hint: /or present the token as Bearer/ })
})

const [JKT, CERTIFICATE] = [{ jkt: 'a'.repeat(43) }, { 'x5t#S256': 'a'.repeat(43) }]
const HEADER = { CLIENT_CERTIFICATE: 'header', TRUST_PROXY: 'loopback' }
const BINDINGS: ReadonlyArray<readonly [cnf: Json, environment: Record<string, string>, reason: Reason, hint: RegExp]> = [
  [{ ...JKT, ...CERTIFICATE }, {}, 'confirmation_unsupported', /Set DPOP=allowed.*Set CLIENT_CERTIFICATE=tls/],
  [{ ...JKT, ...CERTIFICATE }, { ...REQUIRED, DPOP: 'allowed' }, 'confirmation_unsupported', /^(?!.*Set DPOP).*Set CLIENT_CERTIFICATE=tls/],
  [{ ...JKT, ...CERTIFICATE }, HEADER, 'confirmation_unsupported', /^(?!.*Set CLIENT_CERT).*Set DPOP=allowed/],
  [{ jkt: 'short' }, REQUIRED, 'confirmation_unsupported', /^(?!.*Set DPOP).*a thumbprint that is not a SHA-256/],
  [{ ...JKT, jwk: {} }, REQUIRED, 'confirmation_unsupported', /another member that cannot be checked/],
  [CERTIFICATE, { ...REQUIRED, ...HEADER }, 'binding_required', /bound to a client certificate, which is not enough with DPOP=required/],
  [CERTIFICATE, REQUIRED, 'confirmation_unsupported', /^(?!.*Set CLIENT_CERT).*not enough with DPOP=required/]
]

t.test('a token that is bound: the hint names what is not switched on, and nothing else', async (t) => {
  for (const [cnf, environment, reason, hint] of BINDINGS) {
    const service = await startService(t, { key, environment })
    const line = await lineOf(service, `Bearer ${service.issuer.token({ cnf })}`)
    t.match(line, { reason, hint }, JSON.stringify({ cnf, environment }))
    const { checks } = await diagnose([], {
      env: { ISSUER: service.issuer.issuer, AUDIENCE: 'test_api', ...environment }, input: service.issuer.token({ cnf })
    })
    t.match(checks().find(({ name }) => name === reason)?.fix, hint, 'the doctor says the same')
  }
})

t.test('a route that requires a bound token, where only certificates are checked', async (t) => {
  const service = await startService(t, { key, environment: HEADER, prepare: (app) => {
    app.get('/bound', { config: { auth: { bound: true } } }, () => 'ok')
  } })
  const line = await lineOf(service, `Bearer ${service.issuer.token()}`, '/bound')
  t.match(line, { reason: 'binding_required', hint: /^(?!.*DPoP bound tokens).*Mutual TLS Certificate Bound Access Tokens Enabled" on/ })
})
