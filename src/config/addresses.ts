import { addressProblem } from '../http/addresses.ts'
import { issuerProblem } from '../http/issuer-address.ts'
import { quoteAddress } from './config-error.ts'

const INSECURE_SWITCH = 'ALLOW_INSECURE_HTTP=on'

type Given = Readonly<Record<string, string>>
type Check = (value: string, allowInsecureHttp: boolean) => string | undefined

/** What is fetched from there decides which tokens are accepted, so plain http to other hosts requires the switch. */
const CHECKS: Readonly<Record<string, Check>> = {
  ISSUER: (value, allowInsecureHttp) =>
    consoleProblem(value) ?? addressProblem(value, { allowInsecureHttp, insecureSwitch: INSECURE_SWITCH }) ?? issuerProblem(value),
  JWKS_URL: (value, allowInsecureHttp) =>
    addressProblem(value, { allowInsecureHttp, insecureSwitch: INSECURE_SWITCH, allowQuery: true }) ?? keySetProblem(value),
  PUBLIC_URL: (value) => addressProblem(value, { allowInsecureHttp: true }) ?? pathProblem(value)
}

/** One sentence for each address that cannot be used. */
export function addressProblems (given: Given): string[] {
  return Object.entries(CHECKS).flatMap(([name, check]) => {
    const value = given[name]
    const problem = value === undefined ? undefined : check(value, given.ALLOW_INSECURE_HTTP === 'on')
    return problem === undefined ? [] : [`${name}: expected ${problem}, got ${quoteAddress(value ?? '')}`]
  })
}

/** The address bar of the admin console has the realm after the #. */
function consoleProblem (value: string): string | undefined {
  const [, base = '', realm = ''] = /^(https?:\/\/[^?#@\s]*?)\/admin\/[^/#\s]+\/console\/?#\/([^/?#\s]+)/.exec(value) ?? []
  return base === '' ? undefined : `the issuer itself, ${base}/realms/${realm}, and not an address of the admin console`
}

function keySetProblem (value: string): string | undefined {
  const { pathname } = new URL(value)
  if (pathname === '/') return 'the path of the key set too, such as …/protocol/openid-connect/certs'
  if (/\/\.well-known\/(?:openid-configuration|oauth-authorization-server)/.test(pathname)) {
    return 'the address of the key set (jwks_uri), and not of the discovery document; for Keycloak …/protocol/openid-connect/certs'
  }
  if (/\/realms\/[^/]+\/?$|\/admin\/|\/protocol\/openid-connect(?!\/certs$)/.test(pathname)) return 'the address of the key set, for Keycloak …/realms/<realm>/protocol/openid-connect/certs'
  return undefined
}

function pathProblem (value: string): string | undefined {
  return /[*:()[\]{}]/.test(new URL(value).pathname) ? 'a path without * : ( ) [ ] { }' : undefined
}
