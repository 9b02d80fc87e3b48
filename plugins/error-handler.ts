import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { PROBLEM_TYPE, problemOf, type Problem } from '../src/http/problem.ts'
import { HandlerMistake, Refusal } from '../src/oauth/errors.ts'
import { shown } from '../src/oauth/printable.ts'
import { detailOf } from './bodies.ts'
import { REFUSED, RESPONSE_TO } from './names.ts'
import { sendProblem, type RefusalResponse } from './refusals.ts'
import { publish } from './refused-in-hook.ts'
import type { RawRefusals } from './raw-refusals.ts'
import { REQUEST_ID, SECURITY_HEADERS } from './security-headers.ts'
import { endingWith, isBodyLong } from './unread-body.ts'
import { rawProblem, respondRaw } from './unrouted.ts'

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

export interface ErrorHandlerOptions {
  /** A 404 names the path that does not exist. */
  readonly showPaths: boolean
  /** Where the folder docs/ is published, for the type of a problem. */
  readonly docsUrl: string | undefined
}

/** The service's own error handler and 404: whatever was thrown → status, the headers that the error carries, a problem body. */
export default fp<ErrorHandlerOptions>((app, { showPaths, docsUrl }, done) => {
  app.setErrorHandler((thrown: unknown, request, reply) => {
    // Anything can be thrown, also null.
    const error = (typeof thrown === 'object' && thrown !== null ? thrown : { cause: thrown }) as Thrown | Refusal
    if (!(error instanceof Refusal) && error.statusCode === 404) { sendNotFound(request, reply); return }
    const response = error instanceof Refusal ? app[RESPONSE_TO](error, request) : responseToError(error, request, docsUrl)
    const reason = request[REFUSED]?.reason
    if (reason !== undefined) publish({ reason, statusCode: response.problem.status }, request)
    send(response, request, reply)
  })
  app.setNotFoundHandler(sendNotFound)
  done()

  function sendNotFound (request: FastifyRequest, reply: FastifyReply): void {
    const detail = showPaths ? `no route for ${request.method} ${pathOf(request)}` : undefined
    if (detail !== undefined) request[REFUSED] = { detail }
    send({ problem: problemOf(404, detail === undefined ? {} : { detail }, docsUrl), headers: {} }, request, reply)
  }

  function send ({ problem, headers }: RefusalResponse, request: FastifyRequest, reply: FastifyReply): void {
    const { raw } = request
    // A caller that is refused before `100 Continue` may send the body or not: what follows cannot be distinguished from it.
    if (app.listeners.expectsContinue(raw)) reply.header('connection', 'close')
    respondToLastErrors(request, reply, docsUrl)
    if (raw.complete || !isBodyLong(raw)) { sendProblem(reply, { problem, headers }); return }
    const body = JSON.stringify({ ...problem, request_id: request.id })
    void reply.code(problem.status).headers(headers).type(PROBLEM_TYPE)
      .headers({ connection: 'close', 'content-length': Buffer.byteLength(body) }).send(endingWith(raw, body))
  }
}, { name: 'error-handler', dependencies: ['listeners'] })

/**
 * After the one response that the error handler sends, anything else that is sent comes from an onSend hook that has thrown: Fastify
 * would send its message. It is a 500 in our form, past all hooks.
 */
function respondToLastErrors (request: FastifyRequest, reply: FastifyReply, docsUrl: string | undefined): void {
  const send = reply.send.bind(reply)
  reply.send = (payload) => {
    reply.send = (error) => {
      if (reply.sent || reply.raw.headersSent) return reply
      request.log.error({ err: error }, 'an onSend hook has thrown')
      respondRaw(reply.hijack().raw, rawProblem(500, { docsUrl, requestId: request.id }))
      return reply
    }
    return send(payload)
  }
}

function pathOf ({ raw }: FastifyRequest): string {
  return shown(String(raw.url).replace(/[?#].*$/s, ''))
}

function responseToError (error: Thrown, request: FastifyRequest, docsUrl: string | undefined): RefusalResponse {
  const problem = problemOfError(error, request, docsUrl)
  return { problem, headers: problem.status < 500 ? error.headers ?? {} : {} }
}

/** Errors of the request keep their status; everything else is ours: 500, and the cause stays in the log. */
function problemOfError (error: Thrown, request: FastifyRequest, docsUrl: string | undefined): Problem {
  const { statusCode: status = error.validation === undefined ? 500 : 400 } = error
  if (status >= 400 && status < 500) {
    const detail = detailOf(error, request)
    if (detail === undefined) return problemOf(status, {}, docsUrl)
    request[REFUSED] = { ...request[REFUSED], detail }
    return problemOf(status, { detail }, docsUrl)
  }
  request.log.error({ err: error }, error instanceof HandlerMistake ? 'a mistake in the handler of this route' : 'an error of this service')
  return problemOf(500, {}, docsUrl)
}

/** For Fastify's `frameworkErrors`: what the router refuses before any hook (`/%zz`, over-long parameters). */
export const refuseUnrouted = (refusals: RawRefusals, docsUrl: string | undefined) => (
  error: FastifyError, request: FastifyRequest, reply: FastifyReply
): void => {
  const status = Number(error.statusCode)
  sendProblem(reply, { problem: problemOf(status, {}, docsUrl), headers: { ...SECURITY_HEADERS, [REQUEST_ID]: request.id } })
  refusals.note({ status, requestId: request.id, address: request.ip }, request.raw)
}
