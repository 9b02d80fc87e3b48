import type { Algorithm } from '../oauth/algorithms.ts'
import type { ServiceClaim } from '../options/issuer-checks.ts'
import type { IssuerSettings } from '../options/issuer-options.ts'

/** `any`: tokens of any audience, and of none, are accepted (`AUDIENCE=*`). */
export type Audience = readonly string[] | 'any'

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = typeof LOG_LEVELS[number]

export interface Config {
  /** All trusted issuers. With ISSUERS_FILE several are possible; the members below are those of the first, or the defaults of all. */
  readonly issuers: readonly IssuerSettings[]
  readonly issuer: string
  readonly audience: Audience
  readonly jwksUrl: string
  readonly algorithms: readonly Algorithm[]
  readonly tokenKind: 'keycloak' | 'at+jwt'
  readonly clockToleranceSeconds: number
  readonly maxTokenLifetimeSeconds: number
  readonly keysRefreshSeconds: number
  readonly keysMaxStaleHours: number
  readonly tokenCacheBytes: number
  /** Over connect, headers and the whole body of one fetch of the key set. */
  readonly keysFetchTimeoutSeconds: number
  readonly maxTokenBytes: number
  readonly serviceClaim: ServiceClaim | undefined
  /** Origins as browsers send them, exactly. */
  readonly corsOrigins: readonly string[]
  /** Plain http to other hosts is an error without it. */
  readonly allowInsecureHttp: boolean
  /** HTTP_PROXY, HTTPS_PROXY and NO_PROXY hold for keys and token requests. */
  readonly useEnvProxy: boolean
  readonly developmentIssuerPort: number
  /** `realm` of the challenge (RFC 9110 section 11.5); not the Keycloak realm. */
  readonly challengeRealm: string
  readonly publicUrl: string | undefined
  readonly trustProxy: readonly string[]
  readonly host: string
  readonly port: number
  readonly logLevel: LogLevel
  readonly production: boolean
  /** No issuer is configured: the development issuer is to be started beside the service, at `issuer`. */
  readonly developmentIssuer: boolean
  /** What an operator should read at every start. */
  readonly warnings: readonly string[]
}
