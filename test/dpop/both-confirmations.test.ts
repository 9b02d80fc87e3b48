import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createCertificate } from '../support/certificate-authority.ts'
import { boundTo, holder, proof } from '../support/dpop.ts'
import { newKey } from '../support/issuer.ts'
import { startService, type Service } from '../support/service.ts'

const PUBLIC_URL = 'https://api.example.com'
const url = `${PUBLIC_URL}/api/private`
const [owner, thief] = [holder(), holder()]
const folder = mkdtempSync(join(tmpdir(), 'both-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const [certificate, other] = [createCertificate(folder, 'owner'), createCertificate(folder, 'other')]
const key = newKey('ES256')

const DPOP = { DPOP: 'allowed', PUBLIC_URL }
const CERTIFICATES = { CLIENT_CERTIFICATE: 'header', TRUST_PROXY: 'loopback' }
const start = (environment: Record<string, string>): Promise<Service> =>
  startService(t, { key, environment: { ALGORITHMS: 'ES256', ...environment } })
const tokenOf = ({ issuer }: Service): string =>
  issuer.token({ ...boundTo(owner), cnf: { jkt: owner.jkt, 'x5t#S256': certificate.thumbprint } })
const presented = ({ der } = certificate): Record<string, string> => ({ 'client-cert': `:${der.toString('base64')}:` })
const reason = ({ lines }: Service): unknown => lines.findLast((line) => line.reason !== undefined)?.reason

t.test('a token that is bound to a DPoP key and to a certificate requires both, at each request', async (t) => {
  const service = await start({ ...DPOP, ...CERTIFICATES })
  const token = tokenOf(service)
  const call = async (scheme: string, headers: Record<string, string>): Promise<number> =>
    (await service.ask('/api/private', { headers: { authorization: `${scheme} ${token}`, ...headers } })).status
  const dpop = (by = owner): Record<string, string> => ({ dpop: proof(by, { url, token }) })
  t.equal(await call('DPoP', { ...dpop(), ...presented() }), 200)
  const refused: ReadonlyArray<readonly [name: string, reason: string, scheme: string, headers: Record<string, string>]> = [
    ['the proof alone', 'certificate_missing', 'DPoP', dpop()],
    ['the proof, and another certificate', 'certificate_mismatch', 'DPoP', { ...dpop(), ...presented(other) }],
    ['the certificate alone', 'dpop_missing', 'DPoP', presented()],
    ['the certificate, and the proof of another key', 'dpop_key_mismatch', 'DPoP', { ...dpop(thief), ...presented() }],
    ['the certificate, as bearer', 'bound_token_as_bearer', 'Bearer', presented()],
    ['both, as bearer', 'bound_token_as_bearer', 'Bearer', { ...dpop(), ...presented() }],
    ['nothing, as bearer', 'bound_token_as_bearer', 'Bearer', {}]
  ]
  for (const [name, expected, scheme, headers] of refused) {
    t.equal(await call(scheme, headers), 401, name)
    t.equal(reason(service), expected, name)
  }
  const kept = dpop()
  t.equal(await call('DPoP', kept), 401)
  t.equal(await call('DPoP', { ...kept, ...presented() }), 200, 'a proof that came without the certificate has not used its jti')
})

t.test('where one of the two is not checked, a token with both is refused, also with both proofs', async (t) => {
  for (const environment of [DPOP, CERTIFICATES, {}]) {
    const service = await start(environment)
    const token = tokenOf(service)
    for (const scheme of ['DPoP', 'Bearer']) {
      const headers = { authorization: `${scheme} ${token}`, dpop: proof(owner, { url, token }), ...presented() }
      t.equal((await service.ask('/api/private', { headers })).status, 401, `${JSON.stringify(environment)} ${scheme}`)
    }
  }
})
