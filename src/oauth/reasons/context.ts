import type { AcceptedBindings, ChallengeScheme } from '../challenge.ts'

/** The settings of the service that a fix can name. With several issuers: those of the issuer that the token names, else of the first. */
export interface Settings {
  readonly issuer: string
  /** Every trusted issuer, where there are several. */
  readonly issuers?: readonly string[]
  readonly audience: readonly string[] | 'any'
  readonly algorithms: readonly string[]
  readonly jwksUrl?: string
  readonly tokenKind?: 'keycloak' | 'at+jwt'
  readonly maxTokenBytes?: number
  /** The issuer is the development issuer that the service starts. */
  readonly developmentIssuer?: boolean
  /** Which bound tokens the service accepts; without it none. */
  readonly bindings?: AcceptedBindings | undefined
}

/**
 * What is known about the refused request. Nothing of a token is verified here, except for reasons of rights; never a token or a
 * secret.
 */
export interface Evidence {
  /** The settings of the issuer that the token names, where there are several. */
  readonly settings?: Settings
  /** The scheme of the Authorization header. */
  readonly scheme?: string
  /** What was sent in place of an access token: a sentence of mistaken-token.ts. */
  readonly mistake?: string
  readonly alg?: unknown
  /** `typ` of the payload. */
  readonly typ?: unknown
  /** `iss` of the token. */
  readonly tokenIssuer?: string
  /** The member that the payload contains twice: names from the outermost object inwards. Empty for a header. */
  readonly path?: readonly string[]
  /** Members of `cnf`. */
  readonly boundBy?: readonly string[]
  /** How far a date lies on the wrong side of the clock of this service, the tolerance not counted. */
  readonly secondsApart?: number
  /** The scopes of a verified token. */
  readonly grantedScopes?: readonly string[]
  /** `azp`, else `client_id`, printable and bounded: what the token claims, not who is calling. */
  readonly unverifiedClient?: string
}

/** What a fix is a function of. */
export interface ReasonContext extends Settings, Evidence {
  /** Everything that the route requires. */
  readonly scopes?: readonly string[]
  /** The schemes that the route accepts; Bearer by default. */
  readonly schemes?: readonly ChallengeScheme[] | undefined
  /** Where the folder docs/ is published. */
  readonly docsUrl?: string | undefined
}

/** Why a request was refused: written once, for the response, the log, the documentation and the tools. */
export interface ReasonText {
  readonly status: 400 | 401 | 403 | 503
  /** What is wrong. */
  readonly sentence: string
  /** What to do, with the place in Keycloak. For the operator's log and tools, never for the caller. */
  readonly fix: (context: ReasonContext) => string
}
