import { isOwn, nearest } from './names.ts'

/** What a variable seems to mean; undefined: nothing of ours. */
export type Attempt = 'ISSUER' | 'AUDIENCE' | undefined

/** Words that may stand beside ISSUER or AUDIENCE in the name of a setting for an OAuth issuer. */
const COMPANIONS = new Set(`
  OIDC OPENID CONNECT OAUTH OAUTH2 JWT TOKEN ACCESS KEYCLOAK KC AUTH AUTH0 SSO IDP IDENTITY PROVIDER API APP SERVICE SERVER SECURITY SPRING
  RESOURCESERVER RESOURCE QUARKUS MICRONAUT MP VERIFY FASTIFY NEXT VITE OKTA SCOPEGATE URL URI BASE ID NAME HOST DOMAIN ADDRESS ENDPOINT
  EXPECTED REQUIRED ALLOWED TRUSTED VALID PUBLIC INTERNAL EXTERNAL DEFAULT REALM MY THE
`.trim().split(/\s+/))
/** Certificates, payment cards, clouds and build systems have issuers, realms and identities of their own. */
const FOREIGN = new Set(`
  CERT CERTS CERTIFICATE CLUSTER CA TLS SSL X509 ACME CARD PAYMENT STRIPE AWS AZURE GOOGLE GCP GITHUB GITLAB ACTIONS CIRCLE VAULT
  DOCKER GIT NPM KRB5 KERBEROS
`.trim().split(/\s+/))
/** Settings of a Keycloak server, of a client, or of a login page. */
const NOT_AN_ISSUER = new Set(`
  ADMIN BOOTSTRAP REDIRECT CALLBACK LOGOUT DB DATABASE IMAGE VERSION USER USERNAME PASSWORD SECRET CLIENT PROXY PORT
`.trim().split(/\s+/))
/** Products and protocols: with a word for a place, their address. */
const ISSUER_KINDS = new Set(['KEYCLOAK', 'OIDC', 'OPENID', 'OAUTH', 'OAUTH2'])
/** More general words: only when the value is an address. */
const VAGUE_KINDS = new Set(['AUTH', 'AUTHN', 'SSO', 'IDP', 'IDENTITY', 'JWT', 'JWKS', 'IAM', 'LOGIN'])
const PLACES = new Set([
  'URL', 'URI', 'HOST', 'HOSTNAME', 'DOMAIN', 'SERVER', 'AUTHORITY', 'REALM', 'ADDRESS', 'BASE', 'DISCOVERY', 'ENDPOINT', 'PROVIDER', 'JWKS'
])

/** Families whose variables are read by somebody else, and the addresses that Kubernetes sets for every service beside this one. */
const OF_OTHERS = /^(?:NODE|npm|COMPOSE|OTEL)_|_(?:SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_\w+)$/
const ADDRESS = /^\W*https?:\/\//

/**
 * Whether somebody who set this variable meant ISSUER or AUDIENCE. Where neither is set, the development issuer must not
 * start: it would accept tokens that anyone can get. Decided by name; a value counts only as an address or not.
 */
export function attemptOf (name: string, value: string): Attempt {
  if (isOwn(name) || OF_OTHERS.test(name)) return undefined
  const near = nearest(name)
  if (near === 'ISSUER' || near === 'AUDIENCE' || near === 'JWKS_URL') return near === 'AUDIENCE' ? near : 'ISSUER'
  const words = wordsOf(name)
  const others = words.filter((word) => !/^(?:ISSUERS?|ISS|AUDIENCES?|AUD)$/.test(word))
  const isForeign = words.some((word) => FOREIGN.has(word))
  if (others.length < words.length) {
    return !isForeign && (others.every((word) => COMPANIONS.has(word)) || isIssuerAddress(words, value)) ? wordMeant(words) : undefined
  }
  if (/^\W*https?:\/\/\S+\/realms\/[^/\s]/.test(value)) return 'ISSUER'
  return !isForeign && !words.some((word) => NOT_AN_ISSUER.has(word)) && namesPlace(words, value) ? 'ISSUER' : undefined
}

function wordMeant (words: readonly string[]): Attempt {
  return words.some((word) => word.startsWith('ISS')) ? 'ISSUER' : 'AUDIENCE'
}

function isIssuerAddress (words: readonly string[], value: string): boolean {
  return wordMeant(words) === 'ISSUER' && ADDRESS.test(value)
}

function namesPlace (words: readonly string[], value: string): boolean {
  const [first = ''] = words
  if (words.length === 1) {
    return first === 'REALM' || (['KEYCLOAK', 'AUTHORITY', 'OIDC', 'SSO', 'IDP'].includes(first) && ADDRESS.test(value))
  }
  const place = words.some((word) => PLACES.has(word))
  // Keycloak's own settings begin with KC_ too: KC_HOSTNAME_URL, KC_DB_URL, KC_HTTP_HOST.
  if (first === 'KC') return !words.includes('HOSTNAME') && words.slice(1).every((word) => PLACES.has(word) || word === 'AUTH')
  return place && (words.some((word) => ISSUER_KINDS.has(word)) || (words.some((word) => VAGUE_KINDS.has(word)) && ADDRESS.test(value)))
}

/** `oidcIssuerUrl`, `oidc.issuer-url`, `OIDC_ISSUERURL` → OIDC, ISSUER, URL. */
function wordsOf (name: string): string[] {
  const separated = name.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2').toUpperCase()
    .replaceAll(/(ISSUER|KEYCLOAK|OIDC|JWT)(?=UR[LI]|BASE|REALM|HOST|ISSUER|AUDIENCE|SERVER)/g, '$1_')
  return separated.split(/[^A-Z\d]+/).filter((word) => word !== '')
}
