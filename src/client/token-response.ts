import type { BoundedResponse } from '../http/bounded-fetch.ts'
import { LONGEST_RETRY_AFTER_MS, retryAfterMs } from '../http/retry-after.ts'
import { CredentialsRefused, IssuerResponseInvalid, IssuerUnreachable, RequestRefused, ScopeRefused } from './errors.ts'
import type { ClientError } from './errors.ts'

/** An access token as the issuer issued it. `value` is opaque: the client never looks inside (RFC 9068 section 6). */
export interface IssuedToken {
  readonly value: string
  readonly lifeMs: number
  /** Requested scopes that the response does not list. */
  readonly notListed: readonly string[]
}

/** For a response without `expires_in` (RFC 6749 section 5.1 allows it), and the bounds of what is believed. */
const UNSAID_LIFE_SECONDS = 60
const SHORTEST_LIFE_SECONDS = 1
const LONGEST_LIFE_SECONDS = 86_400

/**
 * The token in a response of the token endpoint, or the {@link ClientError} that the response stands for (RFC 6749 sections 5.1 and 5.2).
 * It is not left to oauth4webapi: that one puts the whole response, token included, into its errors; loses the `error`
 * of a 401 that has a challenge; and refuses a response whose `id_token` it cannot place, which this client ignores.
 */
export function readTokenResponse (response: BoundedResponse, requested: readonly string[], bound: boolean): IssuedToken {
  const body = readObject(response.text)
  if (response.status !== 200) throw refusal(response, body, requested)
  if (body === undefined) throw new IssuerResponseInvalid(`${STRANGE} (200, but not a JSON object): check the address`)
  const { access_token: value, token_type: type, expires_in: expiresIn, scope } = body
  // RFC 6750 section 2.1: what cannot stand in an Authorization header is not a bearer token.
  if (typeof value !== 'string' || !/^[\w.~+/-]+=*$/.test(value)) throw new IssuerResponseInvalid(`${STRANGE}: no usable access_token`)
  if (typeof type !== 'string' || type.toLowerCase() !== (bound ? 'dpop' : 'bearer')) {
    throw new IssuerResponseInvalid(typeFault(type, bound))
  }
  return { value, lifeMs: readLifeSeconds(expiresIn) * 1000, notListed: notListed(scope, requested) }
}

const STRANGE = 'the response is not one of a token endpoint'

/** A JSON object or nothing; the parser's own error would quote the text. */
export function readObject (text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : undefined
  } catch {
    return undefined
  }
}

/**
 * RFC 6749 section 7.1: a token of a type that the client does not understand is not used. RFC 9449 section 5: an issuer that knows no
 * DPoP issues a bearer token, and a client whose safety depends on the binding discards it.
 */
function typeFault (type: unknown, bound: boolean): string {
  const name = typeof type === 'string' ? type.toLowerCase() : ''
  if (bound && name === 'bearer') {
    return 'the token is not bound to the key (its type is Bearer, not DPoP), and is not used: ' +
      'the issuer does not support DPoP, or not for this client; without dpop it is used as it is'
  }
  if (!bound && name === 'dpop') return 'the token is of the type DPoP, although no proof was sent: set dpop'
  return `${STRANGE}: the token_type is not ${bound ? 'DPoP' : 'Bearer'}`
}

/** RFC 9449 section 8. Without a nonce in the response another request is of no use. */
export function requiresNonce ({ status, text, headers }: BoundedResponse): boolean {
  return (status === 400 || status === 401) && headers['dpop-nonce'] !== undefined && readObject(text)?.['error'] === 'use_dpop_nonce'
}

/**
 * No `scope` means: as requested (RFC 6749 section 5.1), and more than that is normal (Keycloak adds the client's default scopes).
 * Less need not be less: Keycloak leaves out a scope whose "Include in token scope" is off, and the API may not require the word.
 */
function notListed (scope: unknown, requested: readonly string[]): readonly string[] {
  if (scope === undefined || scope === null) return []
  if (typeof scope !== 'string') throw new IssuerResponseInvalid(`${STRANGE}: scope is not a string`)
  const listed = new Set(scope.split(' '))
  return requested.filter((word) => !listed.has(word))
}

/** Some issuers send the number as a string. A life below a second would cost a token request for each call. */
function readLifeSeconds (expiresIn: unknown): number {
  const said = expiresIn ?? UNSAID_LIFE_SECONDS
  const seconds = typeof said === 'string' && /^\d+(?:\.\d+)?$/.test(said.trim()) ? Number(said) : said
  if (typeof seconds !== 'number' || !(seconds > 0)) throw new IssuerResponseInvalid(`${STRANGE}: expires_in is not a positive number`)
  return Math.min(Math.max(seconds, SHORTEST_LIFE_SECONDS), LONGEST_LIFE_SECONDS)
}

/** Known codes only, and no text of the issuer's: it received the secret, and may repeat it. */
function refusal (response: BoundedResponse, body: Readonly<Record<string, unknown>> = {}, requested: readonly string[]): ClientError {
  const { error, error_description: description } = body
  const { status } = response
  if (isUnavailable(response)) return unavailable(response)
  if (error === 'invalid_client' || error === 'unauthorized_client') return new CredentialsRefused(credentialsSentence(error, description))
  if (error === 'invalid_scope') {
    return new ScopeRefused(
      `the issuer does not grant this client what was requested (invalid_scope): scope "${requested.join(' ')}"`,
      requested
    )
  }
  if (typeof error === 'string' && OTHER_REFUSALS.includes(error)) {
    return new RequestRefused(`the issuer refuses the token request (${error})${BINDING_HINTS.get(description) ?? ''}`)
  }
  return new IssuerResponseInvalid(`${STRANGE} (status ${status}): check the address, and the realm in it`)
}

/** Not now: the issuer is overloaded, restarting or behind a gateway that cannot reach it. */
export function isUnavailable ({ status }: BoundedResponse): boolean {
  return status === 429 || status >= 500
}

export function unavailable ({ status, headers }: BoundedResponse): IssuerUnreachable {
  const pauseMs = Math.min(retryAfterMs(headers['retry-after'], Date.now()) ?? 0, LONGEST_RETRY_AFTER_MS)
  return new IssuerUnreachable(`the issuer cannot respond now (status ${status})`, pauseMs)
}

/** Keycloak has one error for all; only the text differs. */
const BINDING_HINTS: ReadonlyMap<unknown, string> = new Map([
  ['DPoP proof is missing', ': it requires DPoP of this client: set dpop'],
  ['Client Certification missing for MTLS HoK Token Binding', ': it requires a client certificate of this client: set mtls']
])

const OTHER_REFUSALS: readonly string[] = [
  'invalid_request', 'invalid_grant', 'unsupported_grant_type', 'access_denied', 'invalid_target', 'invalid_dpop_proof', 'use_dpop_nonce'
]

/** Keycloak responds with `unauthorized_client` for a wrong secret and for a client that may not use this grant; only the text differs. */
function credentialsSentence (error: string, description: unknown): string {
  if (description === 'Token reuse detected') {
    return `the issuer has seen this assertion before (${error}): let each token request have a new one, ` +
      'or allow reuse at the identity provider in Keycloak'
  }
  return description === 'Client not enabled to retrieve service account'
    ? `the issuer knows the client, but it may not get tokens of its own (${error}): switch on "Service accounts roles" for it in Keycloak`
    : `the issuer does not accept the client id or the secret (${error})`
}
