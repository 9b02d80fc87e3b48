import { parseArgs } from 'node:util'
import { ClientError, createClient, readBearerChallenge, SettingsError } from '../client/client.ts'
import type { BearerChallenge, Client, ClientErrorCode } from '../client/client.ts'
import { HELP, readCall, VARIABLES } from './call-settings.ts'
import type { Call } from './call-settings.ts'

/** Where a program writes: `process.stdout`, or a list in a test. */
export interface Output {
  write: (text: string) => unknown
}

/** What the process ends with; `--help` tells the same. */
export const EXIT = { ok: 0, unexpected: 1, settings: 2, tokenRefused: 3, apiRefused: 4, unreachable: 5 } as const

const EXIT_OF: Readonly<Record<ClientErrorCode, number>> = {
  settings_invalid: EXIT.settings,
  secret_unavailable: EXIT.settings,
  credentials_refused: EXIT.tokenRefused,
  scope_refused: EXIT.tokenRefused,
  request_refused: EXIT.tokenRefused,
  issuer_unreachable: EXIT.unreachable,
  issuer_response_invalid: EXIT.unreachable,
  api_unreachable: EXIT.unreachable,
  api_redirected: EXIT.unexpected,
  client_closed: EXIT.unexpected
}

const ADVICE: Readonly<Partial<Record<ClientErrorCode, string>>> = {
  credentials_refused: 'Look at CLIENT_ID and CLIENT_SECRET; Keycloak shows the secret under Clients, Credentials.',
  scope_refused: 'Look at SCOPE, and in Keycloak at the client\'s tab "Client scopes": the scope must be there, as default or optional.',
  issuer_unreachable: 'Is the issuer running? "npm start" brings one for development; look at TOKEN_ENDPOINT (or ISSUER).',
  issuer_response_invalid: 'Look at TOKEN_ENDPOINT (or ISSUER).',
  api_unreachable: 'Is the API running? "npm start" starts it; look at API_URL.'
}

/**
 * Gets a token, calls the API once, and prints what it answered. Resolves to the exit code; never throws.
 * Neither the secret nor a token is written, not even where the API sends them back.
 */
export async function main (
  env: Readonly<Record<string, string | undefined>>, out: Output, err: Output, args: readonly string[] = []
): Promise<number> {
  const hidden = new Set<string>()
  const say = (to: Output, text: string): unknown => to.write(`${printable(text, hidden)}\n`)
  let client: Client | undefined
  try {
    const { values } = parseArgs({ args: [...args], options: { help: { type: 'boolean', short: 'h' }, 'no-scope': { type: 'boolean' } } })
    if (values.help === true) {
      say(out, HELP)
      return EXIT.ok
    }
    const call = readCall(env, values['no-scope'] === true)
    hidden.add(call.clientSecret)
    client = createClient(call)
    return await callOnce(client, call, hidden, (text) => say(out, text), (text) => say(err, text))
  } catch (error) {
    return explain(error, (text) => say(err, text))
  } finally {
    await client?.close()
  }
}

type Say = (text: string) => unknown

async function callOnce (client: Client, call: Call, hidden: Set<string>, tell: Say, complain: Say): Promise<number> {
  hidden.add(await client.token())
  const response = await client.fetch(call.apiUrl, { headers: { accept: 'application/json' } })
  const body = await response.text().catch(() => undefined)
  const latest = await client.token().catch(() => undefined) // another one, if the first was refused
  if (latest !== undefined) hidden.add(latest)
  tell(`${response.status} ${response.statusText}`.trim())
  if (body === undefined) {
    complain('The API began to answer, and then the connection was cut or the deadline passed.')
    return EXIT.unreachable
  }
  if (body !== '') tell(body)
  return verdict(response, call, complain)
}

function verdict (response: Response, call: Call, complain: Say): number {
  const { status } = response
  if (response.ok) return EXIT.ok
  if (status === 401 || status === 403) {
    complain(refusalSentence(status, readBearerChallenge(response.headers.get('www-authenticate')), call))
    return EXIT.apiRefused
  }
  if (status >= 502 && status <= 504) {
    complain(`The API is there but cannot answer now (${status}). Try again in a moment.`)
    return EXIT.unreachable
  }
  complain(`The answer is neither success nor a refusal of the token (${status}). Look at the path in API_URL.`)
  return EXIT.unexpected
}

/** What to do, read from the challenge (RFC 6750 section 3.1). */
function refusalSentence (status: number, challenge: BearerChallenge | undefined, call: Call): string {
  const wanted = challenge?.scope?.split(' ') ?? []
  if (challenge?.error === 'insufficient_scope' && wanted.length > 0 && wanted.every((word) => call.scope.includes(word))) {
    return `The API refused the token: the scope ${wanted.join(' ')} was asked for and granted, but is not in the token. ` +
      'In Keycloak switch on "Include in token scope" for this client scope.'
  }
  if (challenge?.error === 'insufficient_scope') {
    return `The API refused the token: it lacks a right${wanted.length > 0 ? `, the scope ${wanted.join(' ')}` : ''}. ` +
      `Ask for it${wanted.length > 0 ? ` with SCOPE="${[...new Set([...call.scope, ...wanted])].join(' ')}"` : ''}, and assign it to the client in Keycloak.`
  }
  if (challenge?.error === 'invalid_token') {
    return 'The API refused the token as not valid for it: from another issuer, for another audience, or ended. ' +
      'Compare ISSUER and AUDIENCE of the API with TOKEN_ENDPOINT here; the API\'s log tells the reason.'
  }
  return status === 403
    ? 'The API knows this client but does not let it do this (403, no further reason given).'
    : 'The API did not take the token as a credential (401, no further reason given). Does API_URL lead to the right API, and past every gateway?'
}

function explain (error: unknown, complain: Say): number {
  if (error instanceof SettingsError) {
    complain(['These settings cannot be worked with:', ...error.problems.map(({ option, expected }) => `  ${VARIABLES[option] ?? option}: ${expected}`)].join('\n'))
    return EXIT.settings
  }
  if (error instanceof ClientError) {
    complain([`${error.message.charAt(0).toUpperCase()}${error.message.slice(1)}.`, ADVICE[error.code]].filter((text) => text !== undefined).join(' '))
    return EXIT_OF[error.code]
  }
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    complain(`${error.message}\nSee --help.`)
    return EXIT.settings
  }
  complain(`Unexpected: ${error instanceof Error ? `${error.name}: ${error.message}` : 'something was thrown that is no error'}`)
  return EXIT.unexpected
}

/** Without secrets, and without control characters, which could drive the terminal. */
function printable (text: string, hidden: ReadonlySet<string>): string {
  return [...hidden].reduce((rest, secret) => rest.replaceAll(secret, '[hidden]'), text).replace(/[^\P{Cc}\n\t]/gu, '')
}
