import type { IncomingMessage } from 'node:http'
import type { FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import fp from 'fastify-plugin'
import { loadedTracing, loadTracing, type Tracing } from '../src/traces.ts'
import { TRACING } from './names.ts'

const CONTEXT = Symbol('trace context')
const TRACE_ID = Symbol('trace id')

type Context = ReturnType<Tracing['contextOf']>

declare module 'fastify' {
  interface FastifyInstance {
    /** Undefined where no SDK of OpenTelemetry is registered. */
    [TRACING]: Tracing | undefined
  }

  interface FastifyRequest { [CONTEXT]?: Context }
}

declare module 'node:http' {
  interface IncomingMessage { [TRACE_ID]?: string | undefined }
}

/** The trace that a request belongs to, for its lines of the log, also of one that is refused before any hook; undefined without an SDK. */
export function traceIdOf (raw: IncomingMessage): string | undefined {
  const tracing = loadedTracing()
  return raw[TRACE_ID] ?? tracing?.traceIdOf(tracing.contextOf(raw.headers))
}

/**
 * Continues the trace of the caller: what a request sets off, handlers and their calls of other services too, is a part of it. Without
 * an SDK of OpenTelemetry there is no hook.
 */
export default fp(async (app) => {
  const tracing = await loadTracing()
  app.decorate(TRACING, tracing)
  if (tracing === undefined) return
  app.addHook('onRequest', (request, _reply, next) => {
    const context = request[CONTEXT] = tracing.contextOf(request.headers)
    request.raw[TRACE_ID] = tracing.traceIdOf(context)
    tracing.within(context, next)
  })
  // Reading a body leaves the context that its request began in.
  app.addHook('preHandler', (request: FastifyRequest, _reply: unknown, next: HookHandlerDoneFunction) => {
    tracing.within(request[CONTEXT] as Context, next)
  })
}, { name: 'trace-context' })
