import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { PROBLEM_TYPE, problemOf, type Problem } from '../src/http/problem.ts'
import { Refusal } from '../src/oauth/errors.ts'
import { sendProblem, type RefusalResponse } from './refusals.ts'
import { SECURITY_HEADERS } from './security-headers.ts'
import { endingWith, isBodyLong } from './unread-body.ts'

/** No such path. */
export class NotFound extends Error {
  readonly statusCode = 404
}

/** A known path, another method (RFC 9110 §15.5.6). */
export class MethodNotAllowed extends Error {
  readonly statusCode = 405
  readonly headers: Readonly<Record<string, string>>

  constructor (allow: readonly string[]) {
    super('Method not allowed')
    this.headers = { allow: allow.join(', ') }
  }
}

/** Errors may carry the headers of their response, as Fastify's own error handler copies them. */
type Thrown = FastifyError & { readonly headers?: Readonly<Record<string, string>> }

/** The service's own error handler and 404: whatever was thrown → status, the headers that the error carries, a problem body. */
export default fp((app, _options, done) => {
  app.setErrorHandler((error: Thrown | Refusal, request, reply) => {
    send(error instanceof Refusal ? app.responseTo(error, request) : responseToError(error, request), request, reply)
  })
  app.setNotFoundHandler((request, reply) => send({ problem: problemOf(404), headers: {} }, request, reply))
  done()

  function send (response: RefusalResponse, { raw, id }: FastifyRequest, reply: FastifyReply): void {
    // Whoever is refused before it was told to go on may send the body or not: what follows cannot be told from it.
    if (app.listeners.expectsContinue(raw)) reply.header('connection', 'close')
    if (raw.complete || !isBodyLong(raw)) { sendProblem(reply, response); return }
    const body = JSON.stringify({ ...response.problem, request_id: id })
    void reply.code(response.problem.status).headers(response.headers).type(PROBLEM_TYPE)
      .headers({ connection: 'close', 'content-length': Buffer.byteLength(body) }).send(endingWith(raw, body))
  }
}, { name: 'error-handler', dependencies: ['refusals', 'listeners'] })

function responseToError (error: Thrown, request: FastifyRequest): RefusalResponse {
  const problem = problemOfError(error, request)
  return { problem, headers: problem.status < 500 ? error.headers ?? {} : {} }
}

/** Errors of the request keep their status; everything else is ours: 500, and the cause stays in the log. */
function problemOfError (error: Thrown, request: FastifyRequest): Problem {
  const { statusCode: status = 500, validation, validationContext } = error
  if (validation !== undefined) return problemOf(400, { detail: `${validationContext ?? 'request'}: ${validation.map(({ instancePath, message = 'invalid' }) => `${instancePath} ${message}`.trim()).join(', ')}` })
  if (status >= 400 && status < 500) return problemOf(status)
  request.log.error({ err: error }, 'an error of this service')
  return problemOf(500)
}

/** For Fastify's `frameworkErrors`: what the router refuses before any hook (`/%zz`, over-long parameters). */
export function refuseUnrouted (error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(reply, { problem: problemOf(Number(error.statusCode)), headers: SECURITY_HEADERS })
}
