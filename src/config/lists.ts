import { isIP } from 'node:net'
import { valueProblem } from '../http/addresses.ts'
import { isAlgorithm } from '../oauth/algorithms.ts'
import { quote } from './config-error.ts'
import { expectedOf } from './schema.ts'
import type { ServiceClaim } from './settings.ts'

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
    ...AUDIENCE === undefined ? [] : audienceProblems(AUDIENCE),
    ...ALGORITHMS === undefined || (words(ALGORITHMS).length > 0 && words(ALGORITHMS).every(isAlgorithm))
      ? [] : [`ALGORITHMS: expected ${expectedOf('ALGORITHMS')} (asymmetric only), got ${quote(ALGORITHMS)}`],
    ...words(TRUST_PROXY).filter((place) => !isProxyAddress(place)).map((place) => `TRUST_PROXY: expected ${expectedOf('TRUST_PROXY')}, got ${quote(place)}`),
    ...items(CORS_ORIGINS).map(originProblem).filter((problem) => problem !== undefined),
    ...SERVICE_CLAIM === undefined ? [] : claimProblems(SERVICE_CLAIM)
  ]
}

function audienceProblems (value: string): string[] {
  const names = items(value)
  if (names.length === 0) return ['AUDIENCE: expected at least one name']
  if (names.includes('*') && names.length > 1) return ['AUDIENCE: * stands alone or not at all']
  return names.flatMap((name) => {
    const problem = valueProblem(name, 'a name')
    if (problem !== undefined) return [`AUDIENCE: expected ${problem}`]
    if (/[\s\p{Cc}\p{Cf}]/u.test(name)) return [`AUDIENCE: expected names without spaces, got ${quote(name)}; several names are separated by commas`]
    return /[;|]/.test(name) ? [`AUDIENCE: expected names separated by commas, got ${quote(name)}`] : []
  })
}

function isProxyAddress (place: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(place)) return true
  const [address = '', bits, ...more] = place.split('/')
  if (isIP(address) === 0 || more.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128))
}

/** An origin is compared with the header exactly (RFC 6454 section 6.2): scheme, host, and port unless it is the default. */
function originProblem (value: string): string | undefined {
  if (value === '*' || value === 'null') return `CORS_ORIGINS: ${value} is not accepted; name every origin, such as https://app.example.com`
  const url = /^https?:\/\//i.test(value) && URL.canParse(value) && !/\s/.test(value) ? new URL(value) : undefined
  if (url === undefined) return `CORS_ORIGINS: expected ${expectedOf('CORS_ORIGINS')}, got ${quote(value)}`
  return url.origin === value ? undefined : `CORS_ORIGINS: expected ${url.origin}, as browsers send it, without anything else`
}

/** Claims that every access token has, or that are of a session, prove nothing. */
const PROVES_NOTHING = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'typ', 'sid']

function claimProblems (pair: string): string[] {
  const { name, value } = claimOf(pair)
  if (name === '' || value === '' || /\s/.test(name) || value !== value.trimStart()) return [`SERVICE_CLAIM: expected ${expectedOf('SERVICE_CLAIM')}, without spaces around =, got ${quote(pair)}`]
  return PROVES_NOTHING.includes(name) ? [`SERVICE_CLAIM: ${name} does not prove a service, since tokens of users have it too`] : []
}

/** `name=value`; the value may have further `=`. */
export function claimOf (pair: string): ServiceClaim {
  const at = pair.indexOf('=')
  return { name: pair.slice(0, Math.max(at, 0)), value: pair.slice(at + 1) }
}
