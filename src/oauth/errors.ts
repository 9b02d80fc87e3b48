import { REASONS, type Evidence, type ProofReason, type Reason, type RightsReason, type TokenReason } from './reasons.ts'

/**
 * The refusals of RFC 6750 §3.1. The class says which party is responsible (the credentials, the token, its rights, the issuer); the
 * reason says what exactly, and is for the log alone.
 */

/** Of a response; several lines of one name are a list. */
export type HeaderFields = Readonly<Record<string, string | string[]>>

/** RFC 6750 §3.1, RFC 9449 §7.1 and §9. */
export type OAuthErrorCode = 'invalid_request' | 'invalid_token' | 'insufficient_scope' | 'invalid_dpop_proof' | 'use_dpop_nonce'

/**
 * A request that is refused. Thrown by the rules; the response is written in one place only. Has no stack trace, since it is not an
 * error of this service.
 */
export abstract class Refusal extends Error {
  readonly statusCode: 400 | 401 | 403 | 503
  readonly reason: Reason
  /** For the log: which claim, which key id. Never a whole token. */
  readonly detail: string | undefined
  readonly error: OAuthErrorCode | undefined
  /** What is known about the refused request, for the hint. */
  readonly evidence: Evidence
  /** Of the response to one request, for error handlers that copy them (Fastify's own does); empty until `withHeaders`. */
  readonly headers: HeaderFields = {}

  constructor (message: string, reason: Reason, { error, detail, evidence = {} }: RefusalParts = {}) {
    const { stackTraceLimit } = Error
    Error.stackTraceLimit = 0
    super(message)
    Error.stackTraceLimit = stackTraceLimit
    this.reason = reason
    this.statusCode = REASONS[reason].status
    this.error = error
    this.detail = detail
    this.evidence = evidence
  }

  /** This refusal for one request, with the headers of its response. Requests that wait for the same verification share one refusal. */
  withHeaders (headers: HeaderFields): this {
    const own: unknown = Object.create(this, { headers: { value: headers, enumerable: true } })
    return own as this
  }
}

interface RefusalParts {
  readonly error?: OAuthErrorCode
  readonly detail?: string | undefined
  readonly evidence?: Evidence
}

/** No credentials, or a scheme other than Bearer: 401, a challenge without an error code (RFC 6750 §3.1). */
export class MissingCredentials extends Refusal {
  constructor (reason: 'credentials_missing' | 'scheme_unsupported' = 'credentials_missing', evidence: Evidence = {}) {
    super('An access token is required', reason, { evidence })
  }
}

const MALFORMED = {
  credentials_malformed: 'The Authorization header is malformed',
  credentials_repeated: 'More than one Authorization header',
  headers_too_many: 'The request has too many headers'
} as const

/** The credentials cannot be read (RFC 6750 §3.1 invalid_request). */
export class InvalidRequest extends Refusal {
  constructor (reason: 'credentials_malformed' | 'credentials_repeated' | 'headers_too_many', evidence: Evidence = {}) {
    super(MALFORMED[reason], reason, { error: 'invalid_request', evidence })
  }
}

/** The token is expired, malformed, foreign or of the wrong kind (RFC 6750 §3.1 invalid_token): one text for all of them. */
export class InvalidToken extends Refusal {
  declare readonly reason: TokenReason

  constructor (reason: TokenReason, detail?: string, evidence: Evidence = {}) {
    super('The access token is not valid for this API', reason, { error: 'invalid_token', detail, evidence })
  }

  /** The client that the refused token claims (`azp`, else `client_id`), printable and bounded. It is not verified: for the log alone. */
  get unverifiedClient (): string | undefined {
    return this.evidence.unverifiedClient
  }

  /** The same refusal with more that is known about the token. */
  about (evidence: Evidence): InvalidToken {
    return new InvalidToken(this.reason, this.detail, { ...evidence, ...this.evidence })
  }
}

/** The DPoP proof of the request is missing or not valid (RFC 9449 §7.1 invalid_dpop_proof): one text for all of them. */
export class InvalidProof extends Refusal {
  constructor (reason: ProofReason, detail?: string, evidence: Evidence = {}) {
    super('The DPoP proof is missing or not valid for this request', reason, { error: 'invalid_dpop_proof', detail, evidence })
  }
}

/** The proof must contain the nonce that the response supplies (RFC 9449 §9 use_dpop_nonce). */
export class NonceRequired extends Refusal {
  readonly nonce: string

  constructor (reason: 'dpop_nonce_missing' | 'dpop_nonce_invalid', nonce: string, evidence: Evidence = {}) {
    super('The DPoP proof must contain the nonce of this response', reason, { error: 'use_dpop_nonce', evidence })
    this.nonce = nonce
  }
}

/**
 * A valid token without the rights that the route requires (RFC 6750 §3.1 insufficient_scope). `scopes` is everything the route
 * requires.
 */
export class InsufficientScope extends Refusal {
  readonly scopes: readonly string[]

  constructor (reason: RightsReason, missing: string, scopes: readonly string[], evidence: Evidence = {}) {
    super(missing, reason, { error: 'insufficient_scope', detail: missing, evidence })
    this.scopes = scopes
  }
}

const UNAVAILABLE = {
  issuer_unavailable: 'Tokens cannot be verified at the moment',
  overloaded: 'Too many tokens are waiting to be verified',
  replays_unavailable: 'DPoP proofs cannot be checked at the moment'
} as const
type UnavailableReason = keyof typeof UNAVAILABLE

/** No decision is possible now, and that is not the caller's fault: 503 with Retry-After, no challenge. */
export class Unavailable extends Refusal {
  declare readonly reason: UnavailableReason
  readonly retryAfterSeconds: number

  constructor (reason: UnavailableReason, retryAfterSeconds: number, parts: Pick<RefusalParts, 'detail' | 'evidence'> = {}) {
    super(UNAVAILABLE[reason], reason, parts)
    this.retryAfterSeconds = retryAfterSeconds
  }

  /** The same refusal for a token that breaks a rule too: the log names the rule. */
  inPlaceOf ({ reason, detail, evidence }: InvalidToken): Unavailable {
    const broken = detail === undefined ? reason : `${reason}: ${detail}`
    return new Unavailable(this.reason, this.retryAfterSeconds, { detail: `the token would be refused as well, ${broken}`, evidence })
  }
}

/** The handler of a route uses what the route does not declare: an error of the service (500), never of the caller. */
export class HandlerMistake extends Error {
  override readonly name = 'HandlerMistake'
}
