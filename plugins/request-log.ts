import type { FastifyBaseLogger, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'

/** One line for each request: never a header, a query, an address as it was sent (the route's pattern instead) or a body. */
export default fp((app, _options, done) => {
  const { log } = app
  app.addHook('onResponse', (request, reply, next) => {
    const level = reply.statusCode >= 500 ? 'warn' : 'info'
    // Without `isLevelEnabled` the logger is Fastify's own that says nothing.
    if ((log as Partial<Leveled>).isLevelEnabled?.(level) !== true) { next(); return }
    const { refused, optionalPrincipal } = request
    log[level]({
      reqId: request.id,
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 100) / 100,
      ...optionalPrincipal !== undefined && { client: optionalPrincipal.clientId },
      ...refused
    }, 'request')
    next()
  })
  done()
}, { name: 'request-log', dependencies: ['refusals', 'auth'] })

interface Leveled { isLevelEnabled: (level: string) => boolean }

/**
 * For Fastify's `childLoggerFactory`: `request.log` as a child logger that is made with its first line. Fastify makes one for every
 * request, which costs as much as writing a line, and most handlers never use theirs.
 */
export const lazyRequestLogger: NonNullable<FastifyServerOptions['childLoggerFactory']> = (logger, bindings, options) =>
  new RequestLogger(() => logger.child(bindings, options))

type Line = Parameters<FastifyBaseLogger['info']>

/** The methods that Fastify asks of a logger. */
class RequestLogger {
  readonly #make: () => FastifyBaseLogger
  #made: FastifyBaseLogger | undefined

  constructor (make: () => FastifyBaseLogger) {
    this.#make = make
  }

  get #own (): FastifyBaseLogger {
    return (this.#made ??= this.#make())
  }

  get level (): string { return this.#own.level }
  fatal (...line: Line): void { this.#own.fatal(...line) }
  error (...line: Line): void { this.#own.error(...line) }
  warn (...line: Line): void { this.#own.warn(...line) }
  info (...line: Line): void { this.#own.info(...line) }
  debug (...line: Line): void { this.#own.debug(...line) }
  trace (...line: Line): void { this.#own.trace(...line) }
  silent (): void { /* by its name */ }
  child (...options: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger { return this.#own.child(...options) }
}
