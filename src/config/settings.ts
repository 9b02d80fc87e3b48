import type { BindingSettings } from '../options/binding-options.ts'
import type { IssuerSettings } from '../options/issuer-options.ts'

/** `any`: tokens of any audience, and of none, are accepted (`AUDIENCE=*`). */
export type Audience = IssuerSettings['audience']

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const
export type LogLevel = typeof LOG_LEVELS[number]

/** What the environment says. The members of an issuer are those of the first. */
export interface Config extends IssuerSettings, BindingSettings {
  /** All trusted issuers; with ISSUERS_FILE several are possible. */
  readonly issuers: readonly IssuerSettings[]
  readonly tokenCacheBytes: number
  readonly maxTokenBytes: number
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
  /** Where the folder docs/ is published: the `type` of a problem is a page of it. */
  readonly docsUrl: string | undefined
  /** Responses contain the reason and the hint of a refusal; never in production. */
  readonly explainRefusals: boolean
  /** The service's own TLS, in PEM; undefined: plain http, behind a gateway. */
  readonly tls: { readonly cert: string, readonly key: string } | undefined
  readonly host: string
  readonly port: number
  /** Health and metrics listen there too; undefined: no such listener. */
  readonly managementPort: number | undefined
  readonly managementHost: string
  /** /metrics is served: on the management port, or without one on the port of the API. */
  readonly metrics: boolean
  /** Open at one time; beyond it idle ones are closed. */
  readonly maxConnections: number
  /** Requests of one verified client. */
  readonly rateLimitPerMinute: number | undefined
  /** Lines about refused requests, for each reason. */
  readonly logRefusalsPerSecond: number
  /** A line for each decision about a caller. */
  readonly audit: boolean
  readonly logLevel: LogLevel
  readonly production: boolean
  /** No issuer is configured: the development issuer is to be started beside the service, at `issuer`. */
  readonly developmentIssuer: boolean
  /** What an operator should read at every start. */
  readonly warnings: readonly string[]
}
