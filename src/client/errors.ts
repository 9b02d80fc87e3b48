/** Which party the error concerns, so that a caller can decide without reading sentences. */
export type ClientErrorCode =
  | 'settings_invalid' // the options of this client
  | 'secret_unavailable' // the function or file that has the secret, key, assertion or certificate
  | 'credentials_refused' // the issuer does not know this client, or not with this secret
  | 'scope_refused' // the issuer does not grant a scope that was requested
  | 'request_refused' // the issuer refuses for any other reason
  | 'issuer_unreachable' // no response in time, or one that means "not now" (429, 5xx)
  | 'issuer_response_invalid' // a response that no token endpoint gives
  | 'api_unreachable' // no response in time
  | 'api_redirected' // a response that would lead the token elsewhere
  | 'insufficient_scope' // the API requires a scope that the token does not have
  | 'client_closed'

/**
 * What every error of this client is. None has a `cause`, and none quotes what an issuer or an API wrote:
 * parsers and libraries keep pieces of a response in their errors, and a response may hold the token or the secret.
 */
export abstract class ClientError extends Error {
  abstract readonly code: ClientErrorCode
}

/** One option that cannot be used. `expected` is a sentence without the value. */
export interface SettingsProblem {
  readonly option: string
  readonly expected: string
}

/** All problems of the options, reported at once. */
export class SettingsError extends ClientError {
  override readonly name = 'SettingsError'
  readonly code = 'settings_invalid'
  readonly problems: readonly SettingsProblem[]

  constructor (problems: readonly SettingsProblem[]) {
    super(problems.map(({ option, expected }) => `${option}: ${expected}`).join('; '))
    this.problems = problems
  }
}

/** A secret, key, assertion or certificate cannot be read or used. Of an error only a system code (ENOENT) is passed on. */
export class SecretUnavailable extends ClientError {
  override readonly name = 'SecretUnavailable'
  readonly code = 'secret_unavailable'
}

/** RFC 6749 section 5.2, `invalid_client` and `unauthorized_client`: another request with the same credentials is of no use. */
export class CredentialsRefused extends ClientError {
  override readonly name = 'CredentialsRefused'
  readonly code = 'credentials_refused'
  /** The credentials come from a file or a function, which may have others soon. */
  readonly mayChange: boolean

  constructor (message: string, mayChange = false) {
    super(message)
    this.mayChange = mayChange
  }
}

/** RFC 6749 section 5.2, `invalid_scope`. */
export class ScopeRefused extends ClientError {
  override readonly name = 'ScopeRefused'
  readonly code = 'scope_refused'
  /** The scopes that were requested; the issuer does not say which of them it refuses. */
  readonly scopes: readonly string[]

  constructor (message: string, scopes: readonly string[]) {
    super(message)
    this.scopes = scopes
  }
}

/** Any other refusal of RFC 6749 section 5.2. */
export class RequestRefused extends ClientError {
  override readonly name = 'RequestRefused'
  readonly code = 'request_refused'
}

/** The issuer does not respond now. */
export class IssuerUnreachable extends ClientError {
  override readonly name = 'IssuerUnreachable'
  readonly code = 'issuer_unreachable'
  /** What the issuer requested with `Retry-After`, at most a minute; 0 without it. */
  readonly retryAfterMs: number

  constructor (message: string, retryAfterMs = 0) {
    super(message)
    this.retryAfterMs = retryAfterMs
  }
}

/** A response, but none of RFC 6749 section 5: most often the address is wrong. */
export class IssuerResponseInvalid extends ClientError {
  override readonly name = 'IssuerResponseInvalid'
  readonly code = 'issuer_response_invalid'
}

/** The request may or may not have arrived at the API. */
export class ApiUnreachable extends ClientError {
  override readonly name = 'ApiUnreachable'
  readonly code = 'api_unreachable'
}

/** The token goes to the address that was configured and to no other (RFC 9700). */
export class ApiRedirected extends ClientError {
  override readonly name = 'ApiRedirected'
  readonly code = 'api_redirected'
}

/** RFC 6750 section 3.1: the API requires scopes that the token does not have, and they cannot be requested automatically. */
export class InsufficientScope extends ClientError {
  override readonly name = 'InsufficientScope'
  readonly code = 'insufficient_scope'
  /** What the API requires, by its challenge. */
  readonly required: readonly string[]
  /** Those of them that were not requested; none: they were, and are not in the token. */
  readonly missing: readonly string[]
  readonly #response: Response

  constructor (message: string, required: readonly string[], missing: readonly string[], response: Response) {
    super(message)
    this.required = required
    this.missing = missing
    this.#response = response
  }

  /** The refusal itself, 403, whose body can be read. */
  get response (): Response {
    return this.#response
  }
}

/** `close()` was called. */
export class ClientClosed extends ClientError {
  override readonly name = 'ClientClosed'
  readonly code = 'client_closed'

  constructor () {
    super('the client is closed')
  }
}

/** ECONNREFUSED, ENOENT, CERT_HAS_EXPIRED and their like are passed on; any other text may quote what must not be shown. */
export function systemCode (code: unknown, otherwise: string): string {
  return typeof code === 'string' && /^[A-Z][A-Z\d_]{2,60}$/.test(code) ? code : otherwise
}
