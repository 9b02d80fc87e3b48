import type { FastifyError, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { problemOf, type Problem } from '../src/http/problem.ts'
import { Refusal } from '../src/oauth/errors.ts'
import { sendProblem } from './refusals.ts'

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
    if (error instanceof Refusal) { sendProblem(reply, app.responseTo(error, request)); return }
    const problem = problemOfError(error, request)
    sendProblem(reply, { problem, headers: problem.status < 500 ? error.headers ?? {} : {} })
  })
  app.setNotFoundHandler((_request, reply) => sendProblem(reply, { problem: problemOf(404), headers: {} }))
  done()
}, { name: 'error-handler', dependencies: ['refusals'] })

/** Errors of the request keep their status; everything else is ours: 500, and the cause stays in the log. */
function problemOfError (error: Thrown, request: FastifyRequest): Problem {
  const { statusCode: status = 500, validation, validationContext } = error
  if (validation !== undefined) return problemOf(400, { detail: `${validationContext ?? 'request'}: ${validation.map(({ instancePath, message = 'invalid' }) => `${instancePath} ${message}`.trim()).join(', ')}` })
  if (status >= 400 && status < 500) return problemOf(status)
  request.log.error({ err: error }, 'an error of this service')
  return problemOf(500)
}
