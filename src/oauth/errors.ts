/**
 * The refusals of RFC 6750 §3.1, and what each one answers. The class says whose fault it was (the credential, the token,
 * its rights, the issuer); the reason says what exactly, and is for the log alone.
 */

/** Every reason for which a token is refused. `docs/reasons.md` has a line for each. */
export const TOKEN_REASONS = [
  'token_too_large', 'token_encrypted', 'not_three_parts', 'not_base64url', 'not_utf8', 'not_json_object', 'duplicate_member', 'nested_too_deep',
  'header_not_allowed', 'algorithm_not_allowed', 'kid_missing', 'wrong_header_type',
  'claim_missing', 'claim_type', 'scope_malformed', 'issuer_mismatch', 'audience_mismatch', 'wrong_kind', 'confirmation_unsupported',
  'expired', 'not_yet_valid', 'issued_in_future', 'lifetime_too_long',
  'key_unknown', 'algorithm_mismatch', 'signature_invalid'
] as const
export type TokenReason = typeof TOKEN_REASONS[number]

/** Every other reason for which a request is refused before its handler runs. */
export const REQUEST_REASONS = [
  'credentials_missing', 'scheme_unsupported', 'credentials_malformed', 'credentials_repeated',
  'scope_missing', 'role_missing', 'kind_not_allowed', 'issuer_unavailable', 'overloaded'
] as const
export type Reason = TokenReason | typeof REQUEST_REASONS[number]

/** RFC 6750 §3.1. */
export type OAuthErrorCode = 'invalid_request' | 'invalid_token' | 'insufficient_scope'

/** A request that is not let in. Thrown by the rules, answered in one place only. Made without a stack trace: it is no fault of ours. */
export abstract class Refusal extends Error {
  abstract readonly statusCode: 400 | 401 | 403 | 503
  readonly reason: Reason
  /** For the log: which claim, which key id. Never a whole token. */
  readonly detail: string | undefined
  readonly error: OAuthErrorCode | undefined
  /** Of the response to one request, for error handlers that copy them (Fastify's own does); empty until `withHeaders`. */
  readonly headers: Readonly<Record<string, string>> = {}

  constructor (message: string, reason: Reason, error?: OAuthErrorCode, detail?: string) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
    this.reason = reason
    this.error = error
    this.detail = detail
  }

  /** This refusal for one request, with the headers of its response. Requests that wait for the same verification share one refusal. */
  withHeaders (headers: Readonly<Record<string, string>>): this {
    const own: unknown = Object.create(this, { headers: { value: headers, enumerable: true } })
    return own as this
  }
}

/** Nothing was shown, or a scheme that is not Bearer: 401, a challenge without an error code (RFC 6750 §3.1). */
export class MissingCredentials extends Refusal {
  readonly statusCode = 401

  constructor (reason: 'credentials_missing' | 'scheme_unsupported' = 'credentials_missing') {
    super('A bearer token is required', reason)
  }
}

/** The credential is no credential (RFC 6750 §3.1 invalid_request). */
export class InvalidRequest extends Refusal {
  readonly statusCode = 400

  constructor (reason: 'credentials_malformed' | 'credentials_repeated') {
    super(reason === 'credentials_repeated' ? 'More than one Authorization header' : 'The Authorization header is malformed', reason, 'invalid_request')
  }
}

/** The token is expired, malformed, foreign or of the wrong kind (RFC 6750 §3.1 invalid_token): one text for all of them. */
export class InvalidToken extends Refusal {
  readonly statusCode = 401
  declare readonly reason: TokenReason

  constructor (reason: TokenReason, detail?: string) {
    super('The access token is not valid for this API', reason, 'invalid_token', detail)
  }
}

/** A valid token without the rights of the route (RFC 6750 §3.1 insufficient_scope). `scopes` is everything the route needs. */
export class InsufficientScope extends Refusal {
  readonly statusCode = 403
  readonly scopes: readonly string[]

  constructor (reason: 'scope_missing' | 'role_missing' | 'kind_not_allowed', missing: string, scopes: readonly string[]) {
    super(missing, reason, 'insufficient_scope', missing)
    this.scopes = scopes
  }
}

/** No answer can be given now, and that is not the caller's fault: 503 with Retry-After, no challenge. */
export class Unavailable extends Refusal {
  readonly statusCode = 503
  readonly retryAfterSeconds: number

  constructor (reason: 'issuer_unavailable' | 'overloaded', retryAfterSeconds: number) {
    super(reason === 'overloaded' ? 'Too many tokens are waiting to be verified' : 'Tokens cannot be verified at the moment', reason)
    this.retryAfterSeconds = retryAfterSeconds
  }
}
