import { docsUrlProblem, issuerAddressProblem, keySetAddressProblem, publicUrlProblem, type Check } from '../options/issuer-checks.ts'
import { quoteAddress } from '../options/quote.ts'

export const INSECURE_SWITCH = 'ALLOW_INSECURE_HTTP=on'

const CHECKS: Readonly<Record<string, Check>> = {
  ISSUER: issuerAddressProblem, JWKS_URL: keySetAddressProblem, PUBLIC_URL: publicUrlProblem, DOCS_URL: docsUrlProblem
}

/** One sentence for each address that cannot be used. */
export function addressProblems (given: Readonly<Record<string, string>>): string[] {
  const rules = { allowInsecureHttp: given.ALLOW_INSECURE_HTTP === 'on', insecureSwitch: INSECURE_SWITCH }
  return Object.entries(CHECKS).flatMap(([name, check]) => {
    const value = given[name]
    const problem = value === undefined ? undefined : check(value, rules)
    return problem === undefined ? [] : [`${name}: expected ${problem}, got ${quoteAddress(value ?? '')}`]
  })
}
