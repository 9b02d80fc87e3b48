/** What is sent back. Header names are in lower case; the headers that every response has are added by the routes. */
export interface IssuerResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A request that is refused. The body is sent as it is: RFC 6749 section 5.2 at the token endpoint, Keycloak's own form elsewhere. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly status: number
  readonly body: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>

  constructor (status: number, error: string, description?: string, headers: Readonly<Record<string, string>> = {}) {
    super(description ?? error)
    this.status = status
    this.headers = headers
    this.body = description === undefined ? { error } : { error, error_description: description }
  }
}

export const json = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): IssuerResponse =>
  ({ status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })

/** Says plainly that the real Keycloak can do this and the development issuer cannot. */
export const notImitated = (what: string): string => `${what}: Keycloak can do this, the development issuer does not imitate it`

const PHRASES = {
  401: 'Unauthorized', 404: 'Not Found', 405: 'Method Not Allowed', 413: 'Request Entity Too Large'
} as const

/** The responses that Keycloak's web framework sends automatically. */
export const plain = (status: keyof typeof PHRASES): Refusal => new Refusal(status, `HTTP ${status} ${PHRASES[status]}`)
