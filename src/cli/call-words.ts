import { ClientError, readBearerChallenge, readRefusal, SettingsError } from '../client/client.ts'
import type { BearerChallenge, ClientErrorCode } from '../client/client.ts'
import { EXPECTED, VARIABLES } from './call-settings.ts'

/** The exit code of the process; `--help` lists the same. */
export const EXIT = { ok: 0, unexpected: 1, settings: 2, tokenRefused: 3, apiRefused: 4, unreachable: 5 } as const

/** What to say to a person, and the exit code. */
export interface Verdict {
  readonly exitCode: number
  readonly text?: string
}

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
  insufficient_scope: EXIT.apiRefused,
  client_closed: EXIT.unexpected
}

const ADVICE: Readonly<Partial<Record<ClientErrorCode, string>>> = {
  credentials_refused:
    'Look at CLIENT_ID and CLIENT_SECRET (or the file with the secret, key or assertion); ' +
    'Keycloak shows the secret under Clients, Credentials.',
  scope_refused: 'Look at SCOPE, and in Keycloak at the client\'s tab "Client scopes": the scope must be there, as default or optional.',
  issuer_unreachable: 'Is the issuer running? "npm start" starts one for development; look at TOKEN_ENDPOINT (or ISSUER).',
  issuer_response_invalid: 'Look at TOKEN_ENDPOINT (or ISSUER).',
  api_unreachable: 'Is the API running? "npm start" starts it; look at API_URL.'
}

/** What a response of the API means. `requested` and `notListed`: the scopes of the token request, and those that its response lacks. */
export function readResponse (response: Response, requested: readonly string[], notListed: readonly string[]): Verdict {
  const { status } = response
  if (response.ok) return { exitCode: EXIT.ok }
  if (status === 401 || status === 403) {
    const header = response.headers.get('www-authenticate')
    const challenge = readRefusal(header, true) ?? readBearerChallenge(header)
    return { exitCode: EXIT.apiRefused, text: refusalSentence(status, challenge, requested, notListed) }
  }
  return status >= 502 && status <= 504
    ? { exitCode: EXIT.unreachable, text: `The API is reachable but cannot respond now (${status}). Try again in a moment.` }
    : {
        exitCode: EXIT.unexpected,
        text: `The response is neither success nor a refusal of the token (${status}). Look at the path in API_URL.`
      }
}

/** What to do, read from the challenge (RFC 6750 section 3.1). */
function refusalSentence (
  status: number, challenge: BearerChallenge | undefined, requested: readonly string[], notListed: readonly string[]
): string {
  const required = challenge?.scope?.split(' ') ?? []
  if (challenge?.error === 'insufficient_scope') return scopeSentence(required, requested)
  if (challenge?.error === 'invalid_token') {
    return 'The API refused the token as not valid for it: of another issuer, for another audience, or expired. ' +
      'Compare ISSUER and AUDIENCE of the API with TOKEN_ENDPOINT here; the log of the API contains the reason.'
  }
  if (challenge?.error === 'invalid_dpop_proof' || challenge?.error === 'use_dpop_nonce') {
    return `The API refused the proof of the key (${challenge.error}): is API_URL the address that it has as PUBLIC_URL, ` +
      'and is the clock right? Its log contains the reason.'
  }
  if (status === 401) {
    return 'The API did not accept the token as a credential (401, no further reason given). ' +
      'Does API_URL lead to the right API, and past every gateway?'
  }
  const scopes = notListed.length > 0 ? ` ${includeSentence(notListed)}` : ''
  return `The API knows this client but does not authorize it for this (403, no further reason given).${scopes}`
}

function scopeSentence (required: readonly string[], requested: readonly string[]): string {
  if (required.length === 0) return 'The API refused the token: it lacks a right. Request it, and assign it to the client in Keycloak.'
  const words = required.join(' ')
  if (required.every((word) => requested.includes(word))) {
    return `The API refused the token: it lacks the scope ${words}. ${includeSentence(required)}`
  }
  return `The API refused the token: it lacks the scope ${words}. ` +
    `Request it with SCOPE="${[...new Set([...requested, ...required])].join(' ')}", and assign it to the client in Keycloak.`
}

function includeSentence (scopes: readonly string[]): string {
  return `The scope ${scopes.join(' ')} was requested and granted, but is not in the token: ` +
    'in Keycloak switch on "Include in token scope" for this client scope.'
}

/** Each option that cannot be used, by the name of its variable. */
export function settingSentences ({ problems }: SettingsError): string[] {
  return problems.map(({ option, expected }) => `${VARIABLES[option] ?? option}: expected ${EXPECTED[option] ?? expected}`)
}

/** Messages of errors begin in lower case and have no full stop. */
export function asSentence (message: string): string {
  return `${message.charAt(0).toUpperCase()}${message.slice(1)}.`
}

/** What an error means to whoever runs the program. */
export function readError (error: unknown): Verdict {
  if (error instanceof SettingsError) {
    return {
      exitCode: EXIT.settings, text: ['These settings cannot be used:', ...settingSentences(error).map((line) => `  ${line}`)].join('\n')
    }
  }
  if (error instanceof ClientError) {
    return {
      exitCode: EXIT_OF[error.code], text: [asSentence(error.message), ADVICE[error.code]].filter((text) => text !== undefined).join(' ')
    }
  }
  if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    return { exitCode: EXIT.settings, text: `${error.message}\nSee --help.` }
  }
  return {
    exitCode: EXIT.unexpected,
    text: `Unexpected: ${error instanceof Error ? `${error.name}: ${error.message}` : 'something was thrown that is not an error'}`
  }
}
