import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { refused } from '../src/events.ts'
import { Refusal } from '../src/oauth/errors.ts'
import { REFUSED, RESPONSE_TO } from './names.ts'
import { sendProblem, type Refused } from './refusals.ts'

/** How a guard refuses. Returns true when the response was sent. */
export type Refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply) => boolean

/** What it returns is sent. */
type ErrorHandler = (this: FastifyInstance, error: FastifyError, request: FastifyRequest, reply: FastifyReply) => unknown

/** With the headers of its response, for whichever error handler gets it. */
export function withHeaders (refusal: Refusal, request: FastifyRequest, is: 'sent' | 'thrown' = 'thrown'): Refusal {
  return refusal.withHeaders(request.server[RESPONSE_TO](refusal, request, is).headers)
}

/**
 * `errors: 'problem'`: the response is sent where the refusal is thrown; no error handler of the host is called. Every other
 * error is the host's.
 */
export const respond: Refuse = (error, request, reply) => {
  if (!(error instanceof Refusal)) return false
  sendProblem(reply, request.server[RESPONSE_TO](error, request))
  publish(error, request)
  return true
}

/**
 * What `request.principal` and `request.requireScope` throw in the handler of a route, and in any hook of it. Fastify calls the error
 * handler of the route first; what that throws goes on to the handler of the context, which the host may set at any time.
 * `problem`: the response is sent. `throw`: its headers are on the response already when the host's handler gets it. `name`: of the
 * function, which the router's drawing shows.
 */
export function refuseInRoute (route: RouteOptions, errors: 'problem' | 'throw', name: string): void {
  const errorHandler: ErrorHandler | undefined = route.errorHandler
  const handle: ErrorHandler = function (error, request, reply) {
    if (errors === 'problem' && respond(error, request, reply)) return undefined
    if (error instanceof Refusal) {
      reply.headers(request.server[RESPONSE_TO](error, request).headers)
      publish(error, request)
    }
    if (errorHandler === undefined) return passOn(error)
    return errorHandler.call(request.server, error, request, reply)
  }
  route.errorHandler = Object.defineProperty(handle, 'name', { value: name })
}

/** What Fastify takes for a promise that is rejected. */
interface Rejected { readonly then: (resolved: unknown, rejected: (reason: unknown) => void) => void }

/** To the handler of the context. What is no error (anything can be thrown) Fastify would send as a payload, if it were thrown here. */
function passOn (error: unknown): Rejected {
  if (error instanceof Error) throw error
  return { then: (_resolved, rejected) => { rejected(error) } }
}

const published = new WeakSet<FastifyRequest>()

/**
 * Where the response is sent, and not where the refusal is thrown: a handler may catch it. Once for each request, and not for a caller
 * who has left: to that one nothing was refused.
 */
export function publish (
  { reason, statusCode: status }: { readonly reason: string, readonly statusCode: number }, request: FastifyRequest
): void {
  if (!refused.hasSubscribers || request.raw.socket.destroyed || published.has(request)) return
  published.add(request)
  const { method, routeOptions: { url: route }, id: requestId, ip: address, optionalPrincipal } = request
  const { detail, hint, unverifiedClient }: Partial<Refused> = { ...request[REFUSED] }
  refused.publish({
    reason, status, detail, hint, method, route, requestId, address, clientId: optionalPrincipal?.clientId, unverifiedClient
  })
}
