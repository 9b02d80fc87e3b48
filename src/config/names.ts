import { nearMiss } from '../oauth/near-miss.ts'
import { ENVIRONMENT } from './schema.ts'

/** The old name of CHALLENGE_REALM, which works one version longer. */
export const OLD_CHALLENGE_REALM = 'REALM_NAME'

const OWN = [...Object.keys(ENVIRONMENT), OLD_CHALLENGE_REALM]
/** The settings of the client, which may stand in the same file. */
const CLIENT = [
  'TOKEN_ENDPOINT', 'CLIENT_ID', 'CLIENT_SECRET', 'CLIENT_SECRET_FILE', 'CLIENT_KEY_FILE', 'CLIENT_KEY_ID', 'CLIENT_KEY_ALGORITHM',
  'CLIENT_ASSERTION_FILE', 'CLIENT_CERTIFICATE_FILE', 'CLIENT_CERTIFICATE_KEY_FILE', 'CLIENT_AUTHENTICATION', 'CLIENT_MTLS', 'CLIENT_DPOP',
  'SCOPE', 'TOKEN_AUDIENCE', 'TOKEN_RESOURCE', 'STEP_UP', 'CA_FILE', 'API_URL', 'TOKEN_TIMEOUT_SECONDS', 'API_TIMEOUT_SECONDS'
]
/** Of the system and of other programs, which read the same file: Compose, Keycloak, OpenTelemetry. */
const FAMILIES = /^(?:NODE_|npm_|COMPOSE_|KC_|OTEL_|DOCKER_|LC_)/
const OTHERS: ReadonlySet<string> = new Set([
  'TZ', 'LANG', 'PATH', 'HOME', 'CI', 'DEBUG', 'NO_COLOR', 'FORCE_COLOR', 'JAVA_HOME', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY',
  'http_proxy', 'https_proxy', 'no_proxy', 'all_proxy', 'SSL_CERT_FILE', 'SSL_CERT_DIR'
])

/** Whether a name means something to this service, its client, or a program that may read the same file. */
export function isKnown (name: string): boolean {
  return isOwn(name) || FAMILIES.test(name) || OTHERS.has(name)
}

/** Whether a name is a setting of the service or its client. */
export function isOwn (name: string): boolean {
  return OWN.includes(name) || CLIENT.includes(name)
}

/** One line about the names in `.env` that mean nothing here; undefined: all are known. */
export function unknownNames (fileNames: readonly string[]): string | undefined {
  const unknown = fileNames.filter((name) => !isKnown(name)).map((name) => {
    const meant = nearest(name)
    return meant === undefined ? name : `${name} (did you mean ${meant}?)`
  })
  return unknown.length === 0 ? undefined : `.env: not settings of this service: ${unknown.join(', ')}`
}

/** Read by Node itself before it reads any file, or by programs that Node starts. */
const TOO_LATE = /^(?:NODE_(?!ENV$).*|UV_THREADPOOL_SIZE|SSL_CERT_(?:FILE|DIR)|(?:HTTPS?|NO|ALL)_PROXY|(?:https?|no|all)_proxy)$/

/** One line about the names in `.env` that must be set before Node starts. */
export function namesReadTooEarly (fileNames: readonly string[]): string | undefined {
  const names = fileNames.filter((name) => TOO_LATE.test(name))
  return names.length === 0 ? undefined
    : `.env: ${names.join(', ')} ${names.length === 1 ? 'does' : 'do'} nothing there, ` +
      `since only the environment of the process is read for it; set ${names.length === 1 ? 'it' : 'them'} before Node starts`
}

/** The setting of this service that a name probably means. */
export function nearest (name: string): string | undefined {
  return nearMiss(name, OWN)
}
