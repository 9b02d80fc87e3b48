import { ClientError, readBearerChallenge, readRefusal, SettingsError } from '../client/client.ts'
import { schemesOffered } from '../client/challenge.ts'
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

/** How the program has called. `requested` and `notListed`: the scopes of the token request, and those that its response lacks. */
export interface Called {
  readonly requested: readonly string[]
  readonly notListed: readonly string[]
  /** CLIENT_DPOP=on. */
  readonly dpop: boolean
}

/** What a response of the API means. */
export function readResponse (response: Response, called: Called): Verdict {
  const { status } = response
  if (response.ok) return { exitCode: EXIT.ok }
  if (status === 401 || status === 403) {
    const header = response.headers.get('www-authenticate')
    const challenge = readRefusal(header, true) ?? readBearerChallenge(header)
    const otherScheme = status === 401 ? schemeSentence(header, challenge, called.dpop) : undefined
    return { exitCode: EXIT.apiRefused, text: otherScheme ?? refusalSentence(status, challenge, called) }
  }
  return status >= 502 && status <= 504
    ? { exitCode: EXIT.unreachable, text: `The API is reachable but cannot respond now (${status}). Try again in a moment.` }
    : {
        exitCode: EXIT.unexpected,
        text: `The response is neither success nor a refusal of the token (${status}). Look at the path in API_URL.`
      }
}

/** Where the API offers only the scheme that was not used (RFC 9449 section 7.1): no other token of this kind would be accepted. */
function schemeSentence (header: string | null, challenge: BearerChallenge | undefined, dpop: boolean): string | undefined {
  const [offered, ...more] = schemesOffered(header)
  if (offered === undefined || more.length > 0 || (offered === 'DPoP') === dpop) return undefined
  if (!dpop) {
    return 'The API accepts only tokens that are bound to a key, with a proof for each request (DPoP). ' +
      'Set CLIENT_DPOP=on: the token is then requested with a proof, and bound to a new key.'
  }
  return challenge?.error !== undefined ? undefined : 'The API accepts no token that is bound to a DPoP key: it offers the scheme Bearer ' +
    'only. Remove CLIENT_DPOP, or set DPOP=allowed at the API.'
}

/** What to do, read from the challenge (RFC 6750 section 3.1). */
function refusalSentence (status: number, challenge: BearerChallenge | undefined, { requested, notListed }: Called): string {
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
