import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import fastify, { type FastifyInstance } from 'fastify'
import { listenOnAllAddresses } from '../plugins/all-addresses.ts'
import { createLimitedServer, LIMITS, type Limits } from '../plugins/limited-server.ts'
import { OpenConnections } from '../plugins/open-connections.ts'
import { RequestsUnderWay } from '../plugins/under-way.ts'
import { rawProblem, respondRaw } from '../plugins/unrouted.ts'
import { healthRoutes } from '../routes/health.ts'
import { metricsRoute } from '../routes/metrics.ts'

/** Of a listener for probes and Prometheus, which send heads of a few hundred bytes and no bodies, over a few connections. */
export const MANAGEMENT_LIMITS: Limits = {
  ...LIMITS,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 10_000,
  checkIntervalMs: 1_000,
  keepAliveTimeoutMs: 30_000,
  connectionTimeoutMs: 30_000,
  /** A response of /metrics costs about a millisecond. */
  requestsUnderWay: 4,
  connections: 64
}
const MAX_HEADER_SIZE = 8_192
const BODY_LIMIT = 1_024

/** The management listener, not listening yet: /metrics, and health in full. It requires no token: do not publish its port. */
export async function buildManagement (app: FastifyInstance, shorter: Partial<Limits> = {}): Promise<FastifyInstance> {
  const { readiness, metrics } = app
  const servers: Server[] = []
  const management = fastify({
    logger: false,
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: true,
    serverFactory: factoryOf({ ...MANAGEMENT_LIMITS, ...shorter }, servers)
  })
  listenOnAllAddresses(management, servers)
  await management.register(healthRoutes, { readiness, isInFull: () => true })
  await management.register(metricsRoute, { metrics })
  return management
}

/** For Fastify, which makes a server for each address: they have one bound for all of their connections. */
function factoryOf (limits: Limits, servers: Server[]): (handler: RequestListener) => Server {
  const underWay = new RequestsUnderWay({
    most: limits.requestsUnderWay,
    left: () => undefined,
    refuse: (_request, response) => refuse(503, response, { 'retry-after': '1', connection: 'keep-alive' })
  })
  // Beyond the bound the oldest is closed, idle or not: responses take milliseconds here, and a probe must find room where others hold
  // half a request each. One that closed idle connections first would close those that have just been opened.
  const open = new OpenConnections(limits.connections, () => true)
  return (handler) => {
    const server = createLimitedServer(limits, MAX_HEADER_SIZE, undefined)
    server.on('connection', (socket: Socket) => {
      underWay.open(socket)
      open.add(socket)
    })
    server.on('request', (request, response) => {
      if (!underWay.begin(request, response)) return
      if (isWithoutHost(request)) refuse(400, response)
      else handler(request, response)
    })
    servers.push(server)
    return server
  }
}

/** RFC 9112 §3.2: not a request of HTTP/1.1. */
function isWithoutHost ({ headers, httpVersion }: IncomingMessage): boolean {
  return headers.host === undefined && httpVersion === '1.1'
}

function refuse (status: number, response: ServerResponse, headers?: Readonly<Record<string, string>>): string {
  const problem = rawProblem(status, { ...headers && { headers }, docsUrl: undefined })
  respondRaw(response, problem)
  return problem.requestId
}
