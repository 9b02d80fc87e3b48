import { isAlgorithm } from '../oauth/algorithms.ts'
import { isProxyAddress } from '../options/binding-options.ts'
import { audienceProblems, serviceClaimProblem } from '../options/issuer-checks.ts'
import { quote } from '../options/quote.ts'
import { expectedOf } from './schema.ts'

type Given = Readonly<Record<string, string>>

/** The items between commas, each once. */
export function items (value = ''): string[] {
  return [...new Set(value.split(',').map((item) => item.trim()).filter((item) => item !== ''))]
}

/** The words between commas and spaces, each once: for lists whose items never have a space. */
export function words (value = ''): string[] {
  return [...new Set(value.split(/[\s,]+/).filter((word) => word !== ''))]
}

/** One sentence for each list that cannot be used. */
export function listProblems (given: Given): string[] {
  const { AUDIENCE, ALGORITHMS, TRUST_PROXY, CORS_ORIGINS, SERVICE_CLAIM } = given
  return [
    ...AUDIENCE === undefined ? [] : audienceProblems(items(AUDIENCE)).map((problem) => `AUDIENCE: ${problem}`),
    ...ALGORITHMS === undefined || (words(ALGORITHMS).length > 0 && words(ALGORITHMS).every(isAlgorithm))
      ? [] : [`ALGORITHMS: expected ${expectedOf('ALGORITHMS')} (asymmetric only), got ${quote(ALGORITHMS)}`],
    ...words(TRUST_PROXY)
      .filter((place) => !isProxyAddress(place))
      .map((place) => `TRUST_PROXY: expected ${expectedOf('TRUST_PROXY')}, got ${quote(place)}`),
    ...items(CORS_ORIGINS).map(originProblem).filter((problem) => problem !== undefined),
    ...SERVICE_CLAIM === undefined
      ? []
      : [serviceClaimProblem(SERVICE_CLAIM)].filter((problem) => problem !== undefined).map((problem) => `SERVICE_CLAIM: ${problem}`)
  ]
}

/** An origin is compared with the header exactly (RFC 6454 section 6.2): scheme, host, and port unless it is the default. */
function originProblem (value: string): string | undefined {
  if (value === '*' || value === 'null') return `CORS_ORIGINS: ${value} is not accepted; name every origin, such as https://app.example.com`
  if (/^https?:\/\/[^/]*\*/i.test(value)) return `CORS_ORIGINS: ${quote(value)} has a *, and origins are compared exactly: name every origin`
  const url = /^https?:\/\//i.test(value) && URL.canParse(value) && !/\s/.test(value) ? new URL(value) : undefined
  if (url === undefined) return `CORS_ORIGINS: expected ${expectedOf('CORS_ORIGINS')}, got ${quote(value)}`
  return url.origin === value ? undefined : `CORS_ORIGINS: expected ${url.origin}, as browsers send it, without anything else`
}
