import type { BoundedResponse } from '../http/bounded-fetch.ts'
import { CredentialsRefused, IssuerAnswerInvalid, IssuerUnreachable, RequestRefused, ScopeRefused } from './errors.ts'
import type { ClientError } from './errors.ts'

/** An access token as the issuer handed it out. `value` is opaque: the client never looks inside (RFC 9068 section 6). */
export interface IssuedToken {
  readonly value: string
  readonly lifeMs: number
}

/** For an answer without `expires_in` (RFC 6749 section 5.1 allows it), and the longest life that is believed. */
const UNSAID_LIFE_SECONDS = 60
const LONGEST_LIFE_SECONDS = 86_400
const LONGEST_RETRY_AFTER_SECONDS = 60

/**
 * The token in an answer of the token endpoint, or the {@link ClientError} that it amounts to (RFC 6749 sections 5.1 and 5.2).
 * It is not left to oauth4webapi: that one puts the whole answer, token included, into its errors; loses the `error`
 * of a 401 that has a challenge; and refuses an answer whose `id_token` it cannot place, which this client ignores.
 */
export function readTokenAnswer (answer: BoundedResponse, asked: readonly string[]): IssuedToken {
  const body = readObject(answer.text)
  if (answer.status !== 200) throw refusal(answer, body, asked)
  if (body === undefined) throw new IssuerAnswerInvalid(`${STRANGE} (200, but not a JSON object): check the address`)
  const { access_token: value, token_type: type, expires_in: expiresIn, scope } = body
  // RFC 6750 section 2.1: what cannot stand in an Authorization header is no bearer token.
  if (typeof value !== 'string' || !/^[\w.~+/-]+=*$/.test(value)) throw new IssuerAnswerInvalid(`${STRANGE}: no usable access_token`)
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') throw new IssuerAnswerInvalid(typeFault(type))
  checkGranted(scope, asked)
  return { value, lifeMs: readLifeSeconds(expiresIn) * 1000 }
}

const STRANGE = 'the token endpoint did not answer as one'

/** A JSON object or nothing; the parser's own error would quote the text. */
export function readObject (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

/** RFC 6749 section 7.1: a token of a type that the client does not understand is not used. */
function typeFault (type: unknown): string {
  return typeof type === 'string' && type.toLowerCase() === 'dpop'
    ? 'the token is of the type DPoP, which this client does not do: switch off "Require DPoP bound tokens" for the client in Keycloak'
    : `${STRANGE}: the token_type is not Bearer`
}

/** More than was asked for is fine (Keycloak adds the client's default scopes); no `scope` means: as asked for (section 5.1). */
function checkGranted (scope: unknown, asked: readonly string[]): void {
  if (scope === undefined) return
  if (typeof scope !== 'string') throw new IssuerAnswerInvalid(`${STRANGE}: the scope is not a text`)
  const granted = new Set(scope.split(' '))
  const missing = asked.filter((word) => !granted.has(word))
  if (missing.length > 0) throw new ScopeRefused(`the issuer gave a token without the scope ${missing.join(' ')}`, missing)
}

/** Some issuers send the number as a text. */
function readLifeSeconds (expiresIn: unknown = UNSAID_LIFE_SECONDS): number {
  const seconds = typeof expiresIn === 'string' && /^\d+$/.test(expiresIn) ? Number(expiresIn) : expiresIn
  if (typeof seconds !== 'number' || !(seconds > 0)) throw new IssuerAnswerInvalid(`${STRANGE}: expires_in is not a positive number`)
  return Math.min(seconds, LONGEST_LIFE_SECONDS)
}

/** Known codes only, and no text of the issuer's: it was sent the secret, and may say it again. */
function refusal ({ status, headers }: BoundedResponse, body: Readonly<Record<string, unknown>> = {}, asked: readonly string[]): ClientError {
  const { error, error_description: description } = body
  if (status === 429 || status >= 500) {
    const seconds = /^\d+$/.test(headers['retry-after'] ?? '') ? Number(headers['retry-after']) : 0
    return new IssuerUnreachable(`the issuer cannot answer now (status ${status})`, Math.min(seconds, LONGEST_RETRY_AFTER_SECONDS) * 1000)
  }
  if (error === 'invalid_client' || error === 'unauthorized_client') return new CredentialsRefused(credentialsSentence(error, description))
  if (error === 'invalid_scope') return new ScopeRefused(`the issuer does not grant this client what was asked for (invalid_scope): scope "${asked.join(' ')}"`, asked)
  if (typeof error === 'string' && OTHER_REFUSALS.includes(error)) {
    const hint = description === 'DPoP proof is missing' ? ': it demands DPoP of this client, which this client does not do' : ''
    return new RequestRefused(`the issuer refuses the token request (${error})${hint}`)
  }
  return new IssuerAnswerInvalid(`${STRANGE} (status ${status}): check the address, and the realm in it`)
}

const OTHER_REFUSALS: readonly string[] = ['invalid_request', 'invalid_grant', 'unsupported_grant_type', 'access_denied', 'invalid_target', 'invalid_dpop_proof']

/** Keycloak says `unauthorized_client` for a wrong secret and for a client that may not use this grant; only the text differs. */
function credentialsSentence (error: string, description: unknown): string {
  return description === 'Client not enabled to retrieve service account'
    ? `the issuer knows the client, but it may not get tokens of its own (${error}): switch on "Service accounts roles" for it in Keycloak`
    : `the issuer does not accept the client id or the secret (${error})`
}
