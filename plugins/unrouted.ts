import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { PROBLEM_TYPE, problemOf } from '../src/http/problem.ts'
import { REQUEST_ID, SECURITY_HEADERS } from './security-headers.ts'

/** A response to something that never reaches Fastify: a problem body, after which the connection is closed, unless its headers keep it. */
export interface RawProblem {
  readonly status: number
  readonly requestId: string
  readonly headers: Readonly<Record<string, string | number>>
  readonly body: string
}

interface Parts {
  readonly headers?: Readonly<Record<string, string>>
  readonly requestId?: string
  /** Where the folder docs/ is published, for the type of the problem. */
  readonly docsUrl: string | undefined
}

export function rawProblem (status: number, { headers = {}, requestId = randomUUID(), docsUrl }: Parts): RawProblem {
  const body = JSON.stringify(problemOf(status, { request_id: requestId }, docsUrl))
  return {
    status,
    requestId,
    body,
    headers: {
      ...SECURITY_HEADERS, [REQUEST_ID]: requestId, connection: 'close', ...headers,
      'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body)
    }
  }
}

/** Where there is a response object: the request was read, but is not handed to Fastify. */
export function respondRaw (response: ServerResponse, { status, headers, body }: RawProblem): void {
  response.writeHead(status, headers).end(body)
}

/** Where there is only a socket: Node's parser refused the request, or has let go of the connection (CONNECT). */
export function writeRaw (socket: Socket, { status, headers, body }: RawProblem): void {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  const { title } = problemOf(status)
  socket.end(`HTTP/1.1 ${status} ${title}\r\n${lines.join('\r\n')}\r\n\r\n${body}`)
}
