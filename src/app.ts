import fastify, { LogController, type FastifyBaseLogger, type FastifyInstance, type FastifyRequest } from 'fastify'
import audit from '../plugins/audit.ts'
import errorHandler, { refuseUnrouted } from '../plugins/error-handler.ts'
import closeListeners from '../plugins/close-listeners.ts'
import type { KeysSource } from '../plugins/issuer-conditions.ts'
import type { Limits, ListenerTls } from '../plugins/limited-server.ts'
import listening, { Listeners } from '../plugins/listeners.ts'
import methodNotAllowed from '../plugins/method-not-allowed.ts'
import { TRUSTED_ISSUERS, VERIFICATION } from '../plugins/names.ts'
import type { OverloadLimits } from '../plugins/overload-limits.ts'
import readiness from '../plugins/readiness.ts'
import { requestIds } from '../plugins/request-ids.ts'
import requestLog, { lazyRequestLogger } from '../plugins/request-log.ts'
import requestShape from '../plugins/request-shape.ts'
import type { loadSwaggerUi, SwaggerUi } from '../plugins/api-page.ts'
import { scopegate } from '../plugins/scopegate.ts'
import securityHeaders from '../plugins/security-headers.ts'
import { waitingCallers } from '../plugins/waiting-callers.ts'
import { healthRoutes } from '../routes/health.ts'
import { metadataRoutes } from '../routes/metadata.ts'
import { messageRoutes } from '../routes/messages.ts'
import { resourceRoutes } from '../routes/resources.ts'
import { SCOPES } from '../routes/scopes.ts'
import { NAME, VERSION } from './about.ts'
import type { Config } from './config.ts'
import type { Clock } from './oauth/clock.ts'
import type { Keyring } from './oauth/keyring.ts'
import type { TrustedIssuers } from './oauth/trusted-issuers.ts'
import type { Verification } from './oauth/verification.ts'
import { guardOptions } from './guard-options.ts'
import type { LineWriter } from './log-line.ts'

declare module 'fastify' {
  /** Of the service alone. */
  interface FastifyInstance {
    /** The keys of the first issuer. */
    keyring: Keyring
    verification: Verification<FastifyRequest>
    trustedIssuers: TrustedIssuers<KeysSource>
  }
}

export interface AppOptions {
  readonly logger?: FastifyBaseLogger
  /** For the lines of requests; the logger by default. */
  readonly writeLine?: LineWriter | undefined
  /** Lines of the log that were dropped, for the metrics. */
  readonly droppedLines?: () => number
  /** Another time for the keyring, in tests. */
  readonly clock?: Clock
  /** Shorter time-outs of the listeners, in tests. */
  readonly limits?: Partial<Limits>
  readonly overload?: Partial<OverloadLimits>
  /** The OpenAPI document, as `app.openapi()`; without it only outside production, where it has a route too. */
  readonly openapi?: boolean
  readonly pages?: Pages | undefined
}

/** The pages for development, below /docs. */
export interface Pages {
  /** What the API page gets tokens with, from the development issuer. */
  readonly client?: { readonly clientId: string, readonly clientSecret: string } | undefined
  /** In place of the import of Swagger UI, in tests. */
  readonly load?: Parameters<typeof loadSwaggerUi>[0]
}

/** Where the pages for development are. */
const PAGES = '/docs'

/** What a head may hold beside a token of the greatest length, so that a token that is too long gets its reason and not a 431. */
const OTHER_HEADERS_BYTES = 8_192

/**
 * The service, not listening yet: plugins and routes in the order in which a request meets them. What production does not serve is
 * imported where it is registered: it would be a part of every start.
 */
export async function buildApp (config: Config, options: AppOptions = {}): Promise<FastifyInstance> {
  const { logger, writeLine, droppedLines, clock, limits = {}, overload = {}, openapi = !config.production, pages } = options
  const { publicUrl, docsUrl } = config
  const listeners = new Listeners({
    maxHeaderSize: config.maxTokenBytes + OTHER_HEADERS_BYTES,
    log: () => app.log,
    idOf: requestIds(config.trustProxy),
    refusalsPerSecond: config.logRefusalsPerSecond,
    limits: { connections: config.maxConnections, ...limits },
    overload,
    docsUrl,
    tls: await tlsOf(config)
  })
  const app: FastifyInstance = fastify({
    ...logger ? { loggerInstance: logger } : { logger: false },
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: lazyRequestLogger,
    genReqId: requestIds(config.trustProxy),
    trustProxy: config.trustProxy.length > 0 ? [...config.trustProxy] : false,
    bodyLimit: 64 * 1024,
    // A request that comes while the service closes is served as ever.
    return503OnClosing: false,
    serverFactory: listeners.factory,
    // A check of the schemas themselves, which are code, is a tenth of the start; the schema that it compares them with, half as much.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, validateSchema: !config.production, meta: !config.production } },
    frameworkErrors: refuseUnrouted(listeners.refusals, docsUrl),
    // Every listener has its own.
    clientErrorHandler: () => undefined
  })

  await app.register(listening, { listeners })
  await app.register(securityHeaders)
  await app.register(readiness)
  await app.register(errorHandler, { showPaths: !config.production, docsUrl })
  // It has a route of its own, which has the error handler of this moment.
  if (config.corsOrigins.length > 0) await app.register(import('../plugins/cors.ts'), { origins: config.corsOrigins })
  await app.register(requestShape)
  await app.register(requestLog, { writeLine, refusalLines: listeners.refusalLines })
  await app.register(methodNotAllowed)
  const swaggerUi = pages && await import('../plugins/api-page.ts').then(({ loadSwaggerUi }) => loadSwaggerUi(pages.load))
  await app.register(scopegate, { ...guardOptions(config, clock), ...swaggerUi && { trusted: [{ path: `${PAGES}/*` }] } })
  const verification = app[VERIFICATION]
  const trustedIssuers = app[TRUSTED_ISSUERS]
  app.decorate('verification', verification)
  app.decorate('trustedIssuers', trustedIssuers)
  app.decorate('keyring', { getter: () => (trustedIssuers.all[0] as KeysSource).keyring })
  listeners.callerOf = waitingCallers(config.trustProxy, verification)
  listeners.turnedAway = (caller) => verification.turnAway(caller)
  if (openapi) {
    await app.register(import('../plugins/openapi.ts'), {
      title: NAME, version: VERSION, tokenUrl: tokenUrlOf(config), scopes: SCOPES, publicUrl, dpop: config.dpop
    })
  }

  const { rateLimitPerMinute: perMinute, redisUrl } = config
  if (perMinute !== undefined) await app.register(import('../plugins/rate-limit.ts'), { perMinute, redisUrl })
  if (config.audit) await app.register(audit)

  if (config.metrics) await app.register(import('../plugins/metrics.ts'), { droppedLines })
  await app.register(healthRoutes, { readiness: app.readiness })
  if (config.metrics && config.managementPort === undefined) {
    await app.register((await import('../routes/metrics.ts')).metricsRoute, { metrics: app.metrics })
  }
  await app.register(resourceRoutes)
  await app.register(messageRoutes)
  const issuers = config.issuers.map(({ issuer }) => issuer)
  const { dpop, clientCertificate } = config
  if (publicUrl !== undefined) await app.register(metadataRoutes, { publicUrl, issuers, name: NAME, dpop, clientCertificate })
  if (!config.production) await app.register((await import('../routes/description.ts')).descriptionRoutes)
  if (pages) await addPages(app, config, pages, swaggerUi)
  await app.register(closeListeners)
  return app
}

/** For development: the API page where Swagger UI is installed, and our own. */
async function addPages (app: FastifyInstance, config: Config, { client }: Pages, swaggerUi: SwaggerUi | undefined): Promise<void> {
  const { docsUrl, issuer, developmentIssuer } = config
  const below = PAGES
  const tokenPath = `${below}/token`
  const offered = developmentIssuer && client ? { ...client, tokenPath } : undefined
  await app.register(import('../plugins/recent-refusals.ts'))
  await app.register(
    (await import('../routes/access-page.ts')).accessPage,
    { title: NAME, below, hasApiPage: swaggerUi !== undefined, docsUrl }
  )
  if (swaggerUi === undefined) { app.log.info('the API page is not served: @fastify/swagger-ui is not installed'); return }
  await app.register((await import('../plugins/api-page.ts')).apiPage(swaggerUi), { title: NAME, below, issuer, client: offered })
  if (offered) {
    await app.register(
      (await import('../routes/development-token.ts')).developmentToken,
      { path: tokenPath, tokenEndpoint: tokenUrlOf(config) }
    )
  }
}

async function tlsOf ({ tls, clientCertificate }: Config): Promise<ListenerTls | undefined> {
  return tls && { ...tls, requestCert: clientCertificate === 'tls', createServer: (await import('node:https')).createServer }
}

/** For the OpenAPI document. */
function tokenUrlOf ({ issuers: [first] }: Config): string {
  return `${first?.issuer ?? ''}/protocol/openid-connect/token`
}
