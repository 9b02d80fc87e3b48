import { isLoopbackHost } from '../http/addresses.ts'
import { quote } from '../options/quote.ts'
import { attemptOf } from './issuer-attempts.ts'

type Given = Readonly<Record<string, string>>

const EXACT_ISS = 'the exact iss of the tokens, such as https://sso.example.com/realms/myorg'

/**
 * What one variable requires of another, and whether the development issuer may start where ISSUER is not set: NODE_ENV
 * not set, development or test; HOST loopback, or NODE_ENV=development; no public PUBLIC_URL; nothing that looks like an
 * attempt to name an issuer.
 */
export function requirementProblems (given: Given, fileNames: readonly string[]): string[] {
  const { ISSUER, AUDIENCE, JWKS_URL, ISSUERS_FILE } = given
  const explaining = explainingProblems(given)
  if (ISSUERS_FILE !== undefined) return explaining
  const missing = ISSUER === undefined ? issuerMissing(given) : undefined
  const problems = [...explaining, ...missing === undefined ? [] : [`ISSUER: ${missing}`]]
  if (AUDIENCE === undefined && (ISSUER !== undefined || missing !== undefined)) {
    problems.push(
      'AUDIENCE: required with ISSUER: the name by which tokens name this API in aud (for Keycloak the client an audience mapper names, ' +
      'such as test_api); AUDIENCE=* accepts any or none'
    )
  }
  if (ISSUER !== undefined) return problems
  if (JWKS_URL !== undefined) problems.push('JWKS_URL: only together with ISSUER')
  return [...problems, ...attempts(given, fileNames)]
}

/** Whether the development issuer starts beside the service, as far as `requirementProblems` finds none. */
export function startsDevelopmentIssuer (given: Given): boolean {
  return given.ISSUER === undefined && given.ISSUERS_FILE === undefined && issuerMissing(given) === undefined
}

/** The management port is a listener of its own. */
export function managementProblems ({ MANAGEMENT_PORT, MANAGEMENT_HOST }: Given): string[] {
  return MANAGEMENT_PORT === undefined && MANAGEMENT_HOST !== undefined ? ['MANAGEMENT_HOST: only together with MANAGEMENT_PORT'] : []
}

/** A stranger would learn from its responses which rule a token breaks. */
function explainingProblems ({ EXPLAIN_REFUSALS, NODE_ENV = 'development' }: Given): string[] {
  if (EXPLAIN_REFUSALS !== 'on' || NODE_ENV === 'development' || NODE_ENV === 'test') return []
  return [
    `EXPLAIN_REFUSALS: not with NODE_ENV=${quote(NODE_ENV)}, which is production: whoever is refused would read why; ` +
    'the log has the same sentences'
  ]
}

/** Why the development issuer must not stand in. */
function issuerMissing ({ AUDIENCE, NODE_ENV, HOST = 'localhost', PUBLIC_URL }: Given): string | undefined {
  if (NODE_ENV === 'production') return `required with NODE_ENV=production: ${EXACT_ISS} (the development issuer is not for production)`
  if (NODE_ENV !== undefined && NODE_ENV !== 'development' && NODE_ENV !== 'test') {
    return `required with NODE_ENV=${quote(NODE_ENV)}: ${EXACT_ISS} (the development issuer starts only with NODE_ENV=development, ` +
      'NODE_ENV=test or no NODE_ENV)'
  }
  if (PUBLIC_URL !== undefined && isPublic(PUBLIC_URL)) {
    return `required with a public PUBLIC_URL: ${EXACT_ISS} (the development issuer is for this machine only)`
  }
  if (!isLoopbackHost(HOST) && NODE_ENV !== 'development') {
    return `required with HOST=${HOST}, which other machines may reach: ${EXACT_ISS} (for development, NODE_ENV=development starts the ` +
      'development issuer all the same)'
  }
  return AUDIENCE === undefined ? undefined : `required with AUDIENCE: ${EXACT_ISS}`
}

function isPublic (address: string): boolean {
  return URL.canParse(address) && !isLoopbackHost(new URL(address).hostname)
}

function attempts (given: Given, fileNames: readonly string[]): string[] {
  return Object.entries(given).flatMap(([name, value]) => {
    const meant = attemptOf(name, value)
    if (meant === undefined) return []
    const where = fileNames.includes(name) ? 'in .env' : 'in the environment'
    return [
      `${name} (${where}): is not read; if it means ${meant}, set ISSUER and AUDIENCE, and if not, remove it, ` +
      'since the development issuer starts only where no issuer is named'
    ]
  })
}
