import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startKeycloak } from '../../tools/keycloak/server.ts'
import { createAuthority } from '../support/certificate-authority.ts'
import { contract } from '../support/contract.ts'
import { testRealm } from '../support/keycloak-admin.ts'
import { freePort } from '../support/free-port.ts'
import { algorithms } from './algorithms.ts'
import { authentication } from './authentication.ts'
import { certificateBound, type OverTls } from './certificates.ts'
import { usualFaults } from './doctor.ts'
import { documented } from './documented.ts'
import { dpopBound } from './dpop.ts'
import { handmade } from './handmade.ts'
import { kinds } from './kinds.ts'
import { likeness } from './likeness.ts'
import { wrongPasswordStatus } from './older.ts'
import { rotation } from './rotation.ts'
import { secondTerminal } from './second-terminal.ts'
import { secretRotation } from './secret-rotation.ts'
import { tokens } from './tokens.ts'

/**
 * One Keycloak for all. KEYCLOAK_URL names one of the demo's that runs already (npm run keycloak); the tests make realms of their
 * own in it. Https only where it is started here, on Java.
 */
async function started (): Promise<{ url: string, reachesTests: boolean, overTls?: OverTls }> {
  const { KEYCLOAK_URL } = process.env
  if (KEYCLOAK_URL !== undefined) return { url: KEYCLOAK_URL, reachesTests: true }
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-authority-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const authority = createAuthority(folder)
  const { certFile, keyFile } = authority.issue('keycloak')
  const https = { port: await freePort(), certFile, keyFile, authoritiesFile: authority.certFile }
  const keycloak = await startKeycloak({ port: await freePort(), https, say: (line) => t.comment(line) })
  t.teardown(() => keycloak.stop())
  const { url, httpsUrl, engine } = keycloak
  return { url, reachesTests: engine === 'java', ...httpsUrl !== undefined && { overTls: { url, httpsUrl, authority } } }
}

const { url, reachesTests, overTls } = await started()
// The first two wait for a minute: the others run beside them.
t.jobs = 3

t.test('keys change', (t) => rotation(t, url))
t.test('a secret changes under load', (t) => secretRotation(t, url))
t.test('the rest', async (t) => {
  await t.test('the contract, with Keycloak', async (t) => {
    const other = await testRealm(t, url, `otherorg-${process.pid}`)
    await contract(t, { issuer: `${url}/realms/myorg`, otherIssuer: other.issuer, wrongPasswordStatus })
  })
  await t.test('tokens', (t) => tokens(t, url))
  await t.test('kinds of tokens', (t) => kinds(t, url, { reachesTests }))
  await t.test('tokens bound to a key (DPoP)', (t) => dpopBound(t, url))
  await t.test('tokens bound to a certificate', { skip: overTls === undefined ? 'Keycloak has http only' : false }, async (t) => {
    if (overTls !== undefined) await certificateBound(t, overTls)
  })
  await t.test('how clients authenticate', (t) => authentication(t, url, { reachesTests }))
  await t.test('algorithms', (t) => algorithms(t, url))
  await t.test('a realm created by hand', (t) => handmade(t, url))
  await t.test(
    'the five steps of docs/how-to/keycloak.md',
    { skip: reachesTests ? false : 'Keycloak runs in a container' },
    (t) => documented(t, url)
  )
  await t.test('the development issuer is like Keycloak', (t) => likeness(t, url))
  await t.test('the usual faults, named by the doctor', (t) => usualFaults(t, url))
  await t.test('the service and the client as programs', (t) => secondTerminal(t, url))
})
