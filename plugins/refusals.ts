import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { Refusal, Unavailable, type Reason } from '../src/oauth/errors.ts'
import { explain, type Explained } from '../src/oauth/explain.ts'
import { challengeOf } from '../src/oauth/challenge.ts'
import { SECURITY_HEADERS } from './security-headers.ts'

export interface RefusalOptions {
  readonly realmName: string
  /** Address of the RFC 9728 document, for the challenges. */
  readonly resourceMetadata: string | undefined
  readonly explained: Explained
}

const REFUSED = Symbol('refused')

declare module 'fastify' {
  interface FastifyRequest {
    /** Why the request was refused, for its log line. */
    readonly refused: Refused | undefined
    [REFUSED]: Refused | undefined
  }
}

interface Refused { readonly reason: Reason, readonly detail: string | undefined, readonly hint: string }

/** RFC 9457, with the members of RFC 6749 §5.2 for OAuth refusals. Nothing of what was sent is in it. */
export interface Problem {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail?: string
  readonly error?: string
  readonly error_description?: string
  readonly request_id?: string
}

const CONTENT_TYPE = 'application/problem+json; charset=utf-8'

/** The only writer of refusals: whatever was thrown → status, challenge, body. */
export default fp<RefusalOptions>((app, { realmName, resourceMetadata, explained }, done) => {
  app.decorateRequest(REFUSED, undefined)
  app.decorateRequest('refused', { getter () { return this[REFUSED] } })
  app.setErrorHandler((error: FastifyError, request, reply) => refuse(error, request, reply))
  app.setNotFoundHandler((request, reply) => send(reply, request, problemOf(404)))
  done()

  function refuse (error: FastifyError | Refusal, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    if (!(error instanceof Refusal)) return send(reply, request, problemOfFault(error, request, reply))
    const scopes = request.access?.challengeScopes ?? []
    request[REFUSED] = { reason: error.reason, detail: error.detail, hint: explain(error.reason, { ...explained, scopes }) }
    reply.header('cache-control', 'no-store')
    const challenge = challengeOf(error, { realm: realmName, scopes, resourceMetadata })
    if (challenge !== undefined) reply.header('www-authenticate', challenge)
    if (error instanceof Unavailable) reply.header('retry-after', error.retryAfterSeconds)
    return send(reply, request, problemOf(error.status, error.error === undefined
      ? { detail: error.message }
      : { error: error.error, error_description: error.message }))
  }
}, { name: 'refusals' })

function problemOf (status: number, more: Partial<Problem> = {}): Problem {
  return { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, ...more }
}

/** Faults of the request keep their status; everything else is ours: 500, and the cause stays in the log. */
function problemOfFault (error: FastifyError, request: FastifyRequest, reply: FastifyReply): Problem {
  const { statusCode: status = 500, validation, validationContext } = error
  if (validation !== undefined) return problemOf(400, { detail: `${validationContext ?? 'request'}: ${validation.map(({ instancePath, message = 'invalid' }) => `${instancePath} ${message}`.trim()).join(', ')}` })
  if (status === 405 && error instanceof MethodNotAllowed) reply.header('allow', error.allow.join(', '))
  if (status >= 400 && status < 500) return problemOf(status)
  request.log.error({ err: error }, 'a fault of this service')
  return problemOf(500)
}

function send (reply: FastifyReply, request: FastifyRequest, problem: Problem): FastifyReply {
  return reply.code(problem.status).type(CONTENT_TYPE).send(JSON.stringify({ ...problem, request_id: request.id }))
}

/** A known path, another method (RFC 9110 §15.5.6). */
export class MethodNotAllowed extends Error {
  readonly statusCode = 405
  readonly allow: readonly string[]

  constructor (allow: readonly string[]) {
    super('Method not allowed')
    this.allow = allow
  }
}

/** Second exit, for Fastify's `frameworkErrors`: what the router refuses before any hook (`/%zz`, over-long parameters). */
export function refuseUnrouted (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  reply.headers(SECURITY_HEADERS)
  void send(reply, request, problemOf(Number(error.statusCode)))
}

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408
}

/** Third exit, for Fastify's `clientErrorHandler`: what Node's parser refuses; there is a socket, but no request. */
export function refuseUnparsed (log: () => Pick<FastifyBaseLogger, 'debug' | 'info'>): (error: Error & { code?: string }, socket: Socket) => void {
  return ({ code = '' }, socket) => {
    if (code === 'ECONNRESET' || !socket.writable) {
      log().debug({ code }, 'a connection was reset')
      socket.destroy()
      return
    }
    const status = STATUS_OF_CLIENT_ERROR[code] ?? 400
    log().info({ status, code }, 'a request that cannot be read')
    socket.end(rawAnswer(problemOf(status)))
  }
}

/** For requests that Node would answer by itself with a bare status (an `Expect` that is not 100-continue). */
export function refuseExpectation (response: ServerResponse): void {
  const body = JSON.stringify(problemOf(417))
  response.writeHead(417, { ...SECURITY_HEADERS, 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' }).end(body)
}

function rawAnswer (problem: Problem): string {
  const body = JSON.stringify(problem)
  const headers = { ...SECURITY_HEADERS, 'content-type': CONTENT_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
