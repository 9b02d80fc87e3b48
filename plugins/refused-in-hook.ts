import type { FastifyInstance, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { Refusal } from '../src/oauth/errors.ts'
import { sendProblem } from './refusals.ts'

/** How a guard refuses. Returns true when the response was sent. */
export type Refuse = (error: unknown, request: FastifyRequest, reply: FastifyReply) => boolean

/** With the headers of its response, for whichever error handler gets it. */
export function withHeaders (refusal: Refusal, request: FastifyRequest): Refusal {
  return refusal.withHeaders(request.server.responseTo(refusal, request).headers)
}

/** `errors: 'problem'`: a refusal is answered where it is thrown, and no error handler of the host is asked. Every other error is the host's. */
export const answer: Refuse = (error, request, reply) => {
  if (!(error instanceof Refusal)) return false
  sendProblem(reply, request.server.responseTo(error, request))
  return true
}

/** For `errors: 'problem'`: what `request.principal` and `request.requireScope` throw in the handler of a route. */
export function answerRefusalsOf (route: RouteOptions): void {
  const { handler } = route
  route.handler = function (this: FastifyInstance, request, reply) {
    try {
      const result: unknown = handler.call(this, request, reply)
      return result instanceof Promise ? result.catch((error: unknown) => answered(error, request, reply)) : result
    } catch (error) {
      return answered(error, request, reply)
    }
  }
}

function answered (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (answer(error, request, reply)) return reply
  throw error
}
