import type { KeyObject, webcrypto } from 'node:crypto'

/** RFC 7591 section 2. `self_signed_tls_client_auth` is the same as `tls_client_auth` on this side. */
export type ClientAuthentication =
  'client_secret_basic' | 'client_secret_post' | 'private_key_jwt' | 'tls_client_auth' | 'self_signed_tls_client_auth'

/** RFC 7518 section 3.1 and RFC 8037. */
export type AssertionAlgorithm = 'RS256' | 'RS384' | 'RS512' | 'PS256' | 'PS384' | 'PS512' | 'ES256' | 'ES384' | 'ES512' | 'EdDSA'

/** The path of a file, read before every token request: it may be replaced at any time. */
export interface FromFile { readonly file: string }

/** What works, and deserves a look. No value of a secret or token is in it. */
export type ClientWarning =
  | { readonly code: 'insecure_http', readonly message: string }
  /** The issuer's response does not list these of the requested scopes (RFC 6749 section 5.1). The token is used all the same. */
  | { readonly code: 'scope_not_listed', readonly message: string, readonly scopes: readonly string[] }
  /** An API refused a call through `wrap` or `interceptor` for want of these scopes; `fetch` throws an `InsufficientScope` instead. */
  | { readonly code: 'insufficient_scope', readonly message: string, readonly scopes: readonly string[] }

/** One of several APIs, with what its tokens need. What is not set is as for the client. */
export interface ApiOptions extends TokenParameters {
  readonly url: string
}

/** What is requested of the issuer. */
export interface TokenParameters {
  /** None: the issuer's default scopes. */
  readonly scope?: readonly string[]
  /** A parameter of some issuers (Auth0, Keycloak's token exchange): whom the token is for. */
  readonly audience?: string
  /** RFC 8707: the address of the API that the token is for. */
  readonly resource?: string | readonly string[]
}

interface CommonOptions extends TokenParameters {
  readonly clientId: string
  /** A function is called before every token request, so that a rotated secret takes effect. One line break at the end is removed. */
  readonly clientSecret?: string | FromFile | (() => string | Promise<string>)
  /** `private_key_jwt`: the private key as PEM or JWK. */
  readonly clientKey?: string | FromFile | KeyObject | webcrypto.JsonWebKey | (() => string | Promise<string>)
  /** `kid` of the assertions; otherwise that of the JWK, if it has one. */
  readonly clientKeyId?: string
  /** Otherwise `alg` of the JWK, or by the kind of key: RS256, PS256 (RSA-PSS), ES256/ES384/ES512, EdDSA. */
  readonly clientKeyAlgorithm?: AssertionAlgorithm
  /** An assertion that somebody else issues and keeps fresh, such as a Kubernetes service account token. */
  readonly clientAssertion?: FromFile | (() => string | Promise<string>)
  /** `tls_client_auth` (RFC 8705): certificate with its chain, and key, as PEM. */
  readonly clientCertificate?: { readonly cert: string | FromFile, readonly key: string | FromFile }
  /**
   * The certificate of this client on its connections to the issuer and to the APIs: tokens that the issuer binds to it (RFC 8705
   * section 3) are accepted with it only. It authenticates the client too (`tls_client_auth`) where no secret, key or assertion is given.
   */
  readonly mtls?: { readonly cert: string | FromFile, readonly key: string | FromFile }
  /**
   * Tokens are bound to a key, and every request proves that it has the key (DPoP, RFC 9449). `true`: a new ES256 key, kept in memory
   * only. `key`: a private key as PEM or JWK. A bearer token is then refused.
   */
  readonly dpop?: boolean | { readonly key: string | KeyObject | webcrypto.JsonWebKey }
  /**
   * Follows from the option above that is set; a secret is sent as `client_secret_basic`: in the header, form-encoded first.
   * `client_secret_post`: in the form. `basic` and `post` are other names for the two.
   */
  readonly clientAuthentication?: ClientAuthentication | 'basic' | 'post'
  /** The token is sent to addresses below these only. A path is resolved against the first. */
  readonly apiUrl: string | ReadonlyArray<string | ApiOptions>
  /** Whether a scope that an API requires (403 `insufficient_scope`) is requested in addition, and then kept. */
  readonly stepUp?: boolean
  /** How long a call waits in all for the `Retry-After` of a 429 or 503; 5,000 by default, 0: not at all, at most 60,000. */
  readonly maxRetryAfterMs?: number
  /** For one request to the issuer, with the body of its response; 10,000 by default, 1,000 to 30,000. */
  readonly tokenDeadlineMs?: number
  /** For one attempt at the API, with the body of its response; 10,000 by default. */
  readonly apiDeadlineMs?: number
  /** Authorities that are trusted in addition to those of Node, as PEM. */
  readonly ca?: string | readonly string[]
  /** Accepts plain http to other hosts, with a warning: anyone on the path can read the secret and the token. */
  readonly allowInsecureHttp?: boolean
  /** Issuer and API are reached through HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Also without this where Node does so (NODE_USE_ENV_PROXY). */
  readonly useEnvProxy?: boolean
  /** Without it `insecure_http` is a warning of the process, and the others are not reported. */
  readonly onWarning?: (warning: ClientWarning) => void
  /** Milliseconds of a clock that never goes back, and a number in [0, 1): replaced in tests. */
  readonly now?: () => number
  readonly random?: () => number
}

/** Either the issuer, whose discovery document names the token endpoint, or the token endpoint itself. */
export type ClientOptions = CommonOptions &
  ({ readonly issuer: string, readonly tokenEndpoint?: never } | { readonly tokenEndpoint: string, readonly issuer?: never })
