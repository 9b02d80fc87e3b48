import type { IncomingMessage } from 'node:http'
import type { FastifyBaseLogger, FastifyReply, FastifyServerOptions } from 'fastify'
import fp from 'fastify-plugin'
import type { LineWriter } from '../src/log-line.ts'
import { addressOf, nameCaller } from './audit.ts'
import { REFUSED } from './names.ts'
import type { RefusalLines } from './refusal-lines.ts'
import { keepReply, replyTo } from './reply-to.ts'
import { traceIdOf } from './trace-context.ts'
import { isWritten } from './unread-body.ts'
import { elapsedMs } from './waited.ts'

/** For a caller who closed the connection before the response was complete (as nginx writes it). */
const CLOSED_BY_CALLER = 499

export interface RequestLogOptions {
  /** Bounds the lines about refused requests. */
  readonly refusalLines: RefusalLines
  /** In place of the logger, whose level decides nevertheless. */
  readonly writeLine?: LineWriter | undefined
}

/** Orchestrators request these every few seconds: they get a line when the status changes. */
const PROBES: ReadonlySet<string | undefined> = new Set(['/health/live', '/health/ready'])

/** One line for each request: never a header, a query, an address as it was sent (the route's pattern instead) or a body. */
export default fp<RequestLogOptions>((app, { refusalLines, writeLine }, done) => {
  const { log } = app
  const writeTo: LineWriter = writeLine ?? ((level, members, msg) => log[level](members, msg))
  const statusOfProbe = new Map<string | undefined, number>()
  const isWanted = ({ request }: FastifyReply, status: number, level: 'info' | 'warn'): boolean => {
    const { [REFUSED]: refused, routeOptions: { url } } = request
    if (refused !== undefined || (status >= 400 && status < 500)) {
      return refusalLines.admit(refused?.reason ?? `status ${status}`, level)
    }
    if (!PROBES.has(url)) return true
    const isSame = statusOfProbe.get(url) === status
    statusOfProbe.set(url, status)
    return !isSame
  }
  const write = (reply: FastifyReply, status: number): void => {
    const level = status >= 500 ? 'warn' : 'info'
    // Without `isLevelEnabled` the logger is Fastify's own that says nothing.
    if ((log as Partial<Leveled>).isLevelEnabled?.(level) !== true || !isWanted(reply, status, level)) return
    writeTo(level, lineOf(reply, status), 'request')
  }
  app.addHook('onRequest', ({ raw }, reply, next) => {
    keepReply(raw, reply)
    next()
  })
  app.addHook('onResponse', (_request, reply, next) => {
    write(reply, reply.statusCode)
    next()
  })
  const { refusals, left } = app.listeners
  refusals.lineOfServed = (raw, status) => {
    const reply = replyTo(raw)
    return reply === undefined ? undefined : lineOf(reply, status)
  }
  left.push((raw, wasUnread) => {
    const reply = replyTo(raw)
    if (wasUnread) return
    if (reply === undefined) refusals.logLeft(raw, CLOSED_BY_CALLER)
    else write(reply, isWritten(reply.raw) ? reply.statusCode : CLOSED_BY_CALLER)
  })
  app.addHook('onClose', (_app, next) => {
    refusalLines.report()
    next()
  })
  done()
}, { name: 'request-log', dependencies: ['listeners'] })

/**
 * ASVS 16.2.1: who, from where, what, and with what result. `client`, `sub` and `jti` are those of a verified token. The members are
 * assigned one by one: to spread objects that may be absent would be a third of what a line costs.
 */
function lineOf (reply: FastifyReply, status: number): Readonly<Record<string, unknown>> & { readonly reqId: string } {
  const { request } = reply
  const line: Record<string, unknown> & { readonly reqId: string } = {
    reqId: request.id,
    method: request.method,
    route: request.routeOptions.url ?? 'none',
    status,
    ms: Math.round(elapsedMs(reply) * 100) / 100,
    address: addressOf(request)
  }
  const traceId = traceIdOf(request.raw)
  if (traceId !== undefined) line.trace_id = traceId
  if (request.optionalPrincipal !== undefined) nameCaller(line, request.optionalPrincipal)
  return request[REFUSED] === undefined ? line : Object.assign(line, request[REFUSED])
}

/** As OpenTelemetry names it, so that lines and spans find each other. */
function tracedBy (raw: IncomingMessage): { readonly trace_id: string } | undefined {
  const traceId = traceIdOf(raw)
  return traceId === undefined ? undefined : { trace_id: traceId }
}

interface Leveled { isLevelEnabled: (level: string) => boolean }

/**
 * For Fastify's `childLoggerFactory`: `request.log` as a child logger that is made with its first line. Fastify makes one for every
 * request, which costs as much as writing a line, and most handlers never use theirs.
 */
export const lazyRequestLogger: NonNullable<FastifyServerOptions['childLoggerFactory']> = (logger, bindings, options, raw) =>
  new RequestLogger(() => logger.child({ ...bindings, ...tracedBy(raw) }, options))

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
