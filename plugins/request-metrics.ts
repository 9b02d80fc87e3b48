import type { ServerResponse } from 'node:http'
import { Counter, type Registry } from '@prometheus-io/client'
import type { FastifyInstance, FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { LISTENERS } from './names.ts'
// Its addition to the types of Fastify.
import type {} from './listeners.ts'
import { replyTo } from './reply-to.ts'
import { methodLabel, RequestTimes } from './request-times.ts'
import { isCancelled, isSentWhole } from './sent-whole.ts'
import { isWritten } from './unread-body.ts'
import { elapsedMs } from './waited.ts'

const REQUEST = Symbol('request')
const COUNTED = Symbol('counted')

declare module 'node:http' {
  interface ServerResponse { [REQUEST]?: FastifyRequest }
}

declare module 'fastify' {
  interface FastifyRequest { [COUNTED]: boolean }
}

/** Each request once: in the histogram when its response was sent whole, else among those that ended before. Returns the histogram. */
export function observeRequests (app: FastifyInstance, registers: Registry[]): RequestTimes {
  const times = new RequestTimes(
    'scopegate_request_duration_seconds',
    'Requests by pattern of the route, method and status, from the head to the end of the response.'
  )
  const observe = (request: FastifyRequest, reply: FastifyReply): void => {
    if (request[COUNTED]) return
    request[COUNTED] = true
    times.observe(request.routeOptions.url, request.method, reply.statusCode, elapsedMs(reply) / 1000)
  }
  const countAborted = abortedRequests(app, registers, observe)
  app.decorateRequest(COUNTED, false)
  app.addHook('onResponse', (request, reply, next) => {
    if (isCancelled(reply.raw)) countAborted(request)
    else observe(request, reply)
    next()
  })
  return times
}

/** Those that could not be read are not among them: the service counts these as early refusals. */
function abortedRequests (
  app: FastifyInstance, registers: Registry[], observe: (request: FastifyRequest, reply: FastifyReply) => void
): (request: FastifyRequest) => void {
  const listeners = app.hasDecorator(LISTENERS) ? app[LISTENERS] : undefined
  const aborted = new Counter({
    name: 'scopegate_aborted_requests_total', help: 'Requests whose connection was closed before the response was complete.',
    labelNames: ['route', 'method'], registers
  })
  const count = (request: FastifyRequest): void => {
    if (request[COUNTED] || listeners?.refusals.wasUnread(request.raw) === true) return
    const reply = replyTo(request.raw)
    if (reply !== undefined && isWritten(reply.raw)) { observe(request, reply); return }
    request[COUNTED] = true
    aborted.inc({ route: request.routeOptions.url ?? 'none', method: methodLabel(request.method) })
  }
  function closed (this: ServerResponse): void {
    if (!isSentWhole(this)) count(this[REQUEST] as FastifyRequest)
  }
  // Before the body is read, Fastify notices the end of a connection, afterwards nobody does.
  app.addHook('onRequestAbort', (request, next) => {
    count(request)
    next()
  })
  app.addHook('preHandler', (request: FastifyRequest, { raw }: FastifyReply, next: HookHandlerDoneFunction) => {
    raw[REQUEST] = request
    if (raw.destroyed) count(request)
    else raw.on('close', closed)
    next()
  })
  // A service notices all. Those that waited since the process was busy never came to Fastify.
  listeners?.left.push((raw, wasUnread) => {
    const reply = replyTo(raw)
    if (reply !== undefined) count(reply.request)
    else if (!wasUnread) aborted.inc({ route: 'none', method: methodLabel(raw.method ?? '') })
  })
  return count
}
