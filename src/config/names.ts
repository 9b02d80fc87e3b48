import { ENVIRONMENT } from './schema.ts'

/** The old name of CHALLENGE_REALM, which works one version longer. */
export const OLD_CHALLENGE_REALM = 'REALM_NAME'

const OWN = [...Object.keys(ENVIRONMENT.properties), OLD_CHALLENGE_REALM]
/** The settings of the client, which may stand in the same file. */
const CLIENT = [
  'TOKEN_ENDPOINT', 'CLIENT_ID', 'CLIENT_SECRET', 'CLIENT_AUTHENTICATION', 'SCOPE', 'API_URL', 'TOKEN_TIMEOUT_SECONDS', 'API_TIMEOUT_SECONDS'
]
/** Of the system and of other programs, which read the same file: Compose, Keycloak, OpenTelemetry. */
const FAMILIES = /^(?:NODE_|npm_|COMPOSE_|KC_|OTEL_|DOCKER_|LC_)|^(?:TZ|LANG|PATH|HOME|CI|DEBUG|NO_COLOR|FORCE_COLOR|JAVA_HOME|(?:HTTPS?|NO|ALL)_PROXY|(?:https?|no|all)_proxy|SSL_CERT_(?:FILE|DIR))$/

/** Whether a name means something to this service, its client, or a program that may read the same file. */
export function isKnown (name: string): boolean {
  return isOwn(name) || FAMILIES.test(name)
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
    : `.env: ${names.join(', ')} ${names.length === 1 ? 'does' : 'do'} nothing there, since only the environment of the process is read for it; set ${names.length === 1 ? 'it' : 'them'} before Node starts`
}

/** The setting of this service that a name differs from in case or by one or two characters. */
export function nearest (name: string): string | undefined {
  const upper = name.toUpperCase().replaceAll(/[.-]/g, '_')
  return OWN.map((own) => ({ own, edits: edits(upper, own) }))
    .filter(({ own, edits }) => edits <= (own.length > 6 ? 2 : 1))
    .sort((a, b) => a.edits - b.edits)[0]?.own
}

/** How many characters must be added, removed, replaced or exchanged with a neighbour (optimal string alignment). */
function edits (a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)]
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = Math.min((row[j - 1] ?? 0) + 1, (rows[i - 1]?.[j] ?? 0) + 1, (rows[i - 1]?.[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1))
      const exchanged = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]
      row.push(exchanged ? Math.min(cost, (rows[i - 2]?.[j - 2] ?? 0) + 1) : cost)
    }
    rows.push(row)
  }
  return rows[a.length]?.[b.length] ?? 0
}
