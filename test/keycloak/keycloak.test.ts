import t from 'tap'
import { startKeycloak } from '../../src/cli/keycloak-server.ts'
import { contract } from '../support/contract.ts'
import { testRealm } from '../support/keycloak-admin.ts'

/** One Keycloak for all; KEYCLOAK_URL names one that runs already, with the realm of the demo in it. */
async function keycloakUrl (): Promise<string> {
  const { KEYCLOAK_URL } = process.env
  if (KEYCLOAK_URL !== undefined) return KEYCLOAK_URL
  const port = Number(process.env.KEYCLOAK_PORT ?? 8080)
  const keycloak = await startKeycloak({ port, say: (line) => t.comment(line) })
  t.teardown(() => keycloak.stop())
  return keycloak.url
}

const url = await keycloakUrl()
const suffix = process.pid

t.test('the contract, with Keycloak', async (t) => {
  const other = await testRealm(t, url, `otherorg-${suffix}`)
  await contract(t, { issuer: `${url}/realms/myorg`, otherIssuer: other.issuer })
})
