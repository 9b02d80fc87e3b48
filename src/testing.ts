import {
  readProjectRealm, startDevelopmentIssuer as start, type DevelopmentIssuer, type DevelopmentIssuerOptions
} from './issuer/development-issuer.ts'

export { createTestIssuer, type TestIssuer, type TestIssuerOptions } from './issuer/test-issuer.ts'
export type { DevelopmentIssuer, DevelopmentIssuerOptions, LoopbackHost, Realm } from './issuer/development-issuer.ts'

/** As {@link DevelopmentIssuerOptions}; without `realm` that of the tutorial: realm `myorg`, client `test_api_client`. */
export type TestingIssuerOptions = Omit<DevelopmentIssuerOptions, 'realm'> & Partial<Pick<DevelopmentIssuerOptions, 'realm'>>

/** The development issuer over real HTTP on loopback, at any free port unless one is given. Its secrets are known to everybody. */
export function startDevelopmentIssuer (options: TestingIssuerOptions = {}): Promise<DevelopmentIssuer> {
  return start({ realm: options.realm ?? readProjectRealm(), ...options })
}
