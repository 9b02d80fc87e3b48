import type { ServerResponse } from 'node:http'
import { Counter, type Registry } from '@prometheus-io/client'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { LISTENERS } from './names.ts'
// Its addition to the types of Fastify.
import type {} from './listeners.ts'
import { methodLabel, RequestTimes } from './request-times.ts'

const REQUEST = Symbol('request')

declare module 'node:http' {
  interface ServerResponse { [REQUEST]?: FastifyRequest }
}

/** Returns what writes the text of the histogram. */
export function observeRequests (app: FastifyInstance, registers: Registry[]): RequestTimes {
  const times = new RequestTimes(
    'scopegate_request_duration_seconds',
    'Requests by pattern of the route, method and status, from the head to the end of the response.'
  )
  countAborted(app, registers)
  app.addHook('onResponse', ({ method, routeOptions: { url } }, { statusCode, elapsedTime }, next) => {
    times.observe(url, method, statusCode, elapsedTime / 1000)
    next()
  })
  return times
}

/** Those that end with `onResponse` are not among them, nor those that could not be read: the service counts these as early refusals. */
function countAborted (app: FastifyInstance, registers: Registry[]): void {
  const aborted = new Counter({
    name: 'scopegate_aborted_requests_total', help: 'Requests whose connection was closed before the response was complete.',
    labelNames: ['route', 'method'], registers
  })
  const counted = new WeakSet<FastifyRequest>()
  const count = (request: FastifyRequest): void => {
    if (counted.has(request) || (app.hasDecorator(LISTENERS) && app[LISTENERS].refusals.wasUnread(request.raw))) return
    counted.add(request)
    aborted.inc({ route: request.routeOptions.url ?? 'none', method: methodLabel(request.method) })
  }
  function closed (this: ServerResponse): void {
    if (!this.writableFinished) count(this[REQUEST] as FastifyRequest)
  }
  // Before the body is read, Fastify notices the end of a connection, afterwards nobody does.
  app.addHook('onRequestAbort', (request, next) => {
    count(request)
    next()
  })
  app.addHook('preHandler', (request: FastifyRequest, { raw }: FastifyReply, next: HookHandlerDoneFunction) => {
    raw[REQUEST] = request
    raw.on('close', closed)
    next()
  })
}
