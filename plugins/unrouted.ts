import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { PROBLEM_TYPE, problemOf, type Problem } from '../src/http/problem.ts'
import { sendProblem } from './refusals.ts'
import { SECURITY_HEADERS } from './security-headers.ts'

/** For Fastify's `frameworkErrors`: what the router refuses before any hook (`/%zz`, over-long parameters). */
export function refuseUnrouted (error: FastifyError, _request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(reply, { problem: problemOf(Number(error.statusCode)), headers: SECURITY_HEADERS })
}

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, number>> = {
  HPE_HEADER_OVERFLOW: 431,
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 413,
  ERR_HTTP_REQUEST_TIMEOUT: 408
}

/** For Fastify's `clientErrorHandler`: what Node's parser refuses; there is a socket, but no request. */
export function refuseUnparsed (log: () => Pick<FastifyBaseLogger, 'debug' | 'info'>): (error: Error & { code?: string }, socket: Socket) => void {
  return ({ code = '' }, socket) => {
    if (code === 'ECONNRESET' || !socket.writable) {
      log().debug({ code }, 'a connection was reset')
      socket.destroy()
      return
    }
    const status = STATUS_OF_CLIENT_ERROR[code] ?? 400
    log().info({ status, code }, 'a request that cannot be read')
    socket.end(rawResponse(problemOf(status)))
  }
}

/** For requests to which Node would respond with a bare status (an `Expect` that is not 100-continue). */
export function refuseExpectation (response: ServerResponse): void {
  const body = JSON.stringify(problemOf(417))
  response.writeHead(417, { ...SECURITY_HEADERS, 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' }).end(body)
}

function rawResponse (problem: Problem): string {
  const body = JSON.stringify(problem)
  const headers = { ...SECURITY_HEADERS, 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  return `HTTP/1.1 ${problem.status} ${problem.title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`
}
