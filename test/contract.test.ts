import t from 'tap'
import { parseRealm, startDevelopmentIssuer, type DevelopmentIssuer } from '../src/issuer/development-issuer.ts'
import { contract } from './support/contract.ts'
import { myorgFile } from './support/keycloak-tokens.ts'
import { ADDRESSES, twoAddresses } from './support/two-addresses.ts'

/** The other run of the same contract, against a real Keycloak: test/keycloak/ (npm run test:keycloak). */
t.test('the contract, with the development issuer, at each address of localhost', async (t) => {
  twoAddresses(t)
  const started = async (name: string): Promise<DevelopmentIssuer> => {
    const issuer = await startDevelopmentIssuer({ realm: parseRealm({ ...myorgFile(), realm: name }) })
    t.teardown(() => issuer.close())
    return issuer
  }
  const parties = { issuer: (await started('myorg')).issuer, otherIssuer: (await started('otherorg')).issuer }
  for (const address of ADDRESSES) await t.test(address, (t) => contract(t, { ...parties, address }))
})
