import { addressProblem, valueProblem, type AddressRules } from '../http/addresses.ts'
import { issuerProblem } from '../http/issuer-address.ts'
import { quote } from './quote.ts'

/**
 * What is expected instead of a value that cannot be used, to follow the word "expected"; undefined: it can be used. The same for the
 * environment, the options of the plugin and ISSUERS_FILE.
 */
export type Check = (value: string, rules: AddressRules) => string | undefined

/** The exact `iss`, which is also where the keys are fetched. */
export const issuerAddressProblem: Check = (value, rules) => consoleProblem(value) ?? addressProblem(value, rules) ?? issuerProblem(value)

export const keySetAddressProblem: Check = (value, rules) => addressProblem(value, { ...rules, allowQuery: true }) ?? keySetProblem(value)

/** Nothing is fetched from there, so plain http is accepted. */
export const publicUrlProblem: Check = (value) => addressProblem(value, { allowInsecureHttp: true }) ?? pathProblem(value)

/** Where the folder docs/ is published. Nothing is fetched from there; it stands in every problem. */
export const docsUrlProblem: Check = (value) => addressProblem(value, { allowInsecureHttp: true })

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
  if (/\/realms\/[^/]+\/?$|\/admin\/|\/protocol\/openid-connect(?!\/certs$)/.test(pathname)) {
    return 'the address of the key set, for Keycloak …/realms/<realm>/protocol/openid-connect/certs'
  }
  return undefined
}

function pathProblem (value: string): string | undefined {
  return /[*:()[\]{}]/.test(new URL(value).pathname) ? 'a path without * : ( ) [ ] { }' : undefined
}

/** One sentence (without the name of the setting) for each name that cannot be an audience. */
export function audienceProblems (names: readonly string[]): string[] {
  if (names.length === 0) return ['expected at least one name']
  if (names.includes('*') && names.length > 1) return ['* stands alone or not at all']
  return names.flatMap((name) => {
    if (name === '') return ['expected a name, got an empty text']
    // The environment separates names by commas, so it never comes here with one.
    if (name.includes(',')) return [`expected one name, or an array of names, got ${quote(name)}`]
    const problem = valueProblem(name, 'a name')
    if (problem !== undefined) return [`expected ${problem}`]
    if (/[\s\p{Cc}\p{Cf}]/u.test(name)) return [`expected names without spaces, got ${quote(name)}; several names are separated by commas`]
    return /[;|]/.test(name) ? [`expected names separated by commas, got ${quote(name)}`] : []
  })
}

export interface ServiceClaim {
  readonly name: string
  readonly value: string
}

/** What an error says was expected. */
export const SERVICE_CLAIM_TEXT = 'name=value of a claim that proves a service, such as token_use=service'
/** Claims that every access token has, or that are of a session, prove nothing. */
const PROVES_NOTHING = ['iss', 'aud', 'exp', 'nbf', 'iat', 'jti', 'typ', 'sid']

/** One sentence, without the name of the setting; undefined: the pair can be used. */
export function serviceClaimProblem (pair: string): string | undefined {
  const { name, value } = claimOf(pair)
  if (name === '' || value === '' || /\s/.test(name) || value !== value.trimStart()) {
    return `expected ${SERVICE_CLAIM_TEXT}, without spaces around =, got ${quote(pair)}`
  }
  return PROVES_NOTHING.includes(name) ? `${name} does not prove a service, since tokens of users have it too` : undefined
}

/** `name=value`; the value may have further `=`. */
export function claimOf (pair: string): ServiceClaim {
  const at = pair.indexOf('=')
  return { name: pair.slice(0, Math.max(at, 0)), value: pair.slice(at + 1) }
}

/** `realm` of a challenge (RFC 9110 section 11.5): characters that need no escape in a quoted string. */
export const CHALLENGE_REALM = {
  pattern: /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}$/, text: '1 to 100 ASCII characters without quote and backslash', preset: 'scopegate'
} as const
