import t from 'tap'
import { startKeycloak } from '../../tools/keycloak/server.ts'
import { contract } from '../support/contract.ts'
import { testRealm } from '../support/keycloak-admin.ts'
import { freePort } from '../support/keycloak-fakes.ts'
import { algorithms } from './algorithms.ts'
import { usualFaults } from './doctor.ts'
import { documented } from './documented.ts'
import { dpopBound } from './dpop.ts'
import { handmade } from './handmade.ts'
import { kinds } from './kinds.ts'
import { likeness } from './likeness.ts'
import { wrongPasswordStatus } from './older.ts'
import { rotation } from './rotation.ts'
import { secondTerminal } from './second-terminal.ts'
import { tokens } from './tokens.ts'

/**
 * One Keycloak for all. KEYCLOAK_URL names one of the demo's that runs already (npm run keycloak); the tests make realms of their
 * own in it.
 */
async function started (): Promise<{ url: string, reachesTests: boolean }> {
  const { KEYCLOAK_URL } = process.env
  if (KEYCLOAK_URL !== undefined) return { url: KEYCLOAK_URL, reachesTests: true }
  const keycloak = await startKeycloak({ port: await freePort(), say: (line) => t.comment(line) })
  t.teardown(() => keycloak.stop())
  return { url: keycloak.url, reachesTests: keycloak.engine === 'java' }
}

const { url, reachesTests } = await started()
// The first one waits for a minute: the others run beside it.
t.jobs = 2

t.test('keys change', (t) => rotation(t, url))
t.test('the rest', async (t) => {
  await t.test('the contract, with Keycloak', async (t) => {
    const other = await testRealm(t, url, `otherorg-${process.pid}`)
    await contract(t, { issuer: `${url}/realms/myorg`, otherIssuer: other.issuer, wrongPasswordStatus })
  })
  await t.test('tokens', (t) => tokens(t, url))
  await t.test('kinds of tokens', (t) => kinds(t, url, { reachesTests }))
  await t.test('tokens bound to a key (DPoP)', (t) => dpopBound(t, url))
  await t.test('algorithms', (t) => algorithms(t, url))
  await t.test('a realm created by hand', (t) => handmade(t, url))
  await t.test('the five steps of docs/how-to/keycloak.md', { skip: reachesTests ? false : 'Keycloak runs in a container' }, (t) => documented(t, url))
  await t.test('the development issuer is like Keycloak', (t) => likeness(t, url))
  await t.test('the usual faults, named by the doctor', (t) => usualFaults(t, url))
  await t.test('the service and the client as programs', (t) => secondTerminal(t, url))
})
