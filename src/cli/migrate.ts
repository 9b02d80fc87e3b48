import { closeSync, openSync, readSync } from 'node:fs'
import { decodeText } from '../http/text.ts'
import { issuerAddressProblem } from '../options/issuer-checks.ts'
import { escaped } from './doctor/report.ts'

/** What becomes of a keycloak.json, in words for a person. */
export interface Migration {
  readonly environment: readonly string[]
  readonly options: readonly string[]
  /** What has no counterpart, with where to go. */
  readonly notes: readonly string[]
}

/** The file cannot be used; the message says why, and what was expected. */
export class MigrationError extends Error {
  override readonly name = 'MigrationError'
}

type Given = Readonly<Record<string, unknown>>

const HELP = `Prints the settings that take the place of a keycloak.json of keycloak-connect.

  scopegate migrate keycloak.json

Secrets of the file are not printed.
`

/** Members that keycloak-connect or its predecessors read, and that are of no use for an API that accepts access tokens. */
const WITHOUT_COUNTERPART: Readonly<Record<string, string>> = {
  'confidential-port': 'TLS is the work of the gateway in front, or of TLS_CERT_FILE.',
  'ssl-required': 'Plain http to another host is an error unless ALLOW_INSECURE_HTTP=on.',
  'public-client': 'An API does not log users in: a browser application does, with an OpenID Connect library.',
  'enable-cors': 'List the origins in CORS_ORIGINS.',
  'use-resource-role-mappings':
    'Roles of a client are required by route: { clientRoles: { <client>: [\'writer\'] } }; roles of the realm with realmRoles.',
  'verify-token-audience': 'The audience is always checked: AUDIENCE names this API.',
  'policy-enforcer':
    'Permissions (UMA) are not evaluated. Let scopes and roles express them, or ask Keycloak\'s Authorization Services from your handler.',
  'bearer-only': 'Every service is bearer-only: there are no sessions and no login.',
  'autodetect-bearer-only': 'Every service is bearer-only: there are no sessions and no login.',
  'realm-public-key': 'The keys are fetched from the issuer, so that a rotation needs no change.',
  'min-time-between-jwks-requests': 'KEYS_REFRESH_SECONDS says how often the keys are fetched.',
  'public-key-cache-ttl': 'KEYS_REFRESH_SECONDS says how often the keys are fetched.'
}

/** A keycloak.json → settings. Throws MigrationError for what is not one. Not checked: whether the realm exists. */
export function migrate (text: string): Migration {
  const given = parsed(text)
  const realm = textOf(given, 'realm')
  const server = textOf(given, 'auth-server-url')
  const issuer = `${server.replace(/\/+$/, '')}/realms/${encodeURIComponent(realm)}`
  const problem = issuerAddressProblem(issuer, { allowInsecureHttp: true })
  if (problem !== undefined) {
    throw new MigrationError(`"auth-server-url" with "realm" is not an issuer that can be used: expected ${problem}.`)
  }
  const client = clientOf(given)
  const audience = client ?? '<the name of this API in aud>'
  return {
    environment: [setting('ISSUER', issuer), setting('AUDIENCE', audience)],
    options: [`issuer: ${JSON.stringify(issuer)},`, `audience: ${JSON.stringify(audience)}`],
    notes: notesOf(given, client)
  }
}

function parsed (text: string): Given {
  if (text.trim() === '') throw new MigrationError('The file is empty.')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new MigrationError(/^\s*</.test(text)
      ? 'The file is XML or HTML. keycloak.json is at Clients, the client, Action, Download adapter config, format Keycloak OIDC JSON.'
      : 'The file is not JSON.')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new MigrationError('The file is JSON, but not an object as keycloak.json is.')
  }
  if ('web' in value || 'installed' in value || 'private_key' in value) {
    throw new MigrationError('The file holds the credentials of another provider, and is not a keycloak.json.')
  }
  if ('clients' in value || 'clientId' in value) {
    throw new MigrationError(
      'The file is an export of a realm or a client. The keycloak.json is at Clients, the client, Action, Download adapter config.'
    )
  }
  return value as Given
}

function textOf (given: Given, name: string): string {
  const value = given[name]
  if (typeof value !== 'string' || value.trim() === '') {
    throw new MigrationError(`The file has no "${name}": a keycloak.json has "realm", "auth-server-url" and "resource".`)
  }
  if (/\$\{/.test(value)) throw new MigrationError(`"${name}" is a placeholder: put the value of the variable in its place.`)
  if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(value)) throw new MigrationError(`"${name}" contains a character that cannot be printed.`)
  return value.trim()
}

/** As .env has it: one line, and no part of it a comment. */
function setting (name: string, value: string): string {
  const quote = /^[\w.:@/~+%<> -]+$/.test(value) ? '' : value.includes('\'') ? '"' : '\''
  return `${name}=${quote}${value}${quote}`
}

function clientOf (given: Given): string | undefined {
  if (given.resource === undefined || given.resource === '') return undefined
  const client = textOf(given, 'resource')
  if (/[,'"]/.test(client)) throw new MigrationError('"resource" is not a name that AUDIENCE can contain: it has a comma or a quote.')
  return client
}

function notesOf (given: Given, client: string | undefined): string[] {
  const server = String(given['auth-server-url'])
  return [
    ...client === undefined ? ['resource: the file names no client. AUDIENCE is the name of this API in aud.'] : [
      'resource: keycloak-connect checks aud only with verify-token-audience, here it is always checked. Add an audience mapper for ' +
      `${client} to the client scopes of the callers (docs/how-to/keycloak.md), else every token is refused as audience_mismatch.`
    ],
    ...given.credentials === undefined
      ? []
      : ['credentials: an API needs no secret to verify tokens. A client that calls other APIs has CLIENT_ID and CLIENT_SECRET.'],
    .../\/auth\/?$/.test(server) ? [
      'auth-server-url: it ends with /auth, which Keycloak leaves out since version 17. ' +
      'ISSUER must be the iss of the tokens, exactly: scopegate doctor compares them.'
    ] : [],
    ...Object.keys(given)
      .filter((name) => Object.hasOwn(WITHOUT_COUNTERPART, name))
      .map((name) => `${name}: ${WITHOUT_COUNTERPART[name] ?? ''}`),
    ...unknown(Object.keys(given).filter((name) => !Object.hasOwn(WITHOUT_COUNTERPART, name) && !KNOWN.includes(name)))
  ]
}

function unknown (names: readonly string[]): string[] {
  const shown = names.slice(0, 20).map((name) => `${name.slice(0, 80)}: not a setting of keycloak-connect that has a counterpart here.`)
  return names.length > 20 ? [...shown, `and ${names.length - 20} more.`] : shown
}

const KNOWN = ['realm', 'auth-server-url', 'resource', 'credentials']

/** A keycloak.json has about a dozen lines. */
const MAX_BYTES = 1024 * 1024

/** Throws the error of the system, or MigrationError. */
function textIn (file: string): string {
  const bytes = Buffer.alloc(MAX_BYTES + 1)
  const descriptor = openSync(file, 'r')
  let length = 0
  try {
    for (let read = -1; read !== 0 && length <= MAX_BYTES; length += read) {
      read = readSync(descriptor, bytes, length, bytes.length - length, null)
    }
  } finally {
    closeSync(descriptor)
  }
  if (length > MAX_BYTES) throw new MigrationError('The file is larger than 1 MB, and is not a keycloak.json.')
  const text = decodeText(bytes.subarray(0, length))
  if (text === undefined) throw new MigrationError('The file is not text.')
  return text
}

interface Output { readonly write: (text: string) => unknown }

/** The command. Returns the exit code: 0, 1 the file cannot be used, 2 the command cannot be used like this. */
export function runMigrate (args: readonly string[], out: Output, err: Output): number {
  const [file, ...others] = args
  if (file === '--help' || file === '-h') { out.write(HELP); return 0 }
  if (file === undefined || file.startsWith('-') || others.length > 0) { err.write(HELP); return 2 }
  try {
    out.write(escaped(formatted(migrate(textIn(file)))))
    return 0
  } catch (error) {
    const message = error instanceof MigrationError
      ? error.message
      : `The file cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown error'}).`
    err.write(`${message}\n`)
    return 1
  }
}

function formatted ({ environment, options, notes }: Migration): string {
  const indented = (lines: readonly string[]): string => lines.map((line) => `  ${line}\n`).join('')
  return `# .env of the service
${environment.join('\n')}

Or the plugin in your own service:

await app.register(scopegate, {
${indented(options)}})

keycloak.protect() becomes config: { auth: { scopes: [] } }, keycloak.protect('realm:auditor') becomes { realmRoles: ['auditor'] }, and
keycloak.protect('writer') becomes { clientRoles: { <client>: ['writer'] } }.

What has no counterpart, or needs a look:
${indented(notes)}`
}
