import fastify, { type FastifyInstance } from 'fastify'
import { healthRoutes } from '../routes/health.ts'
import { metricsRoute } from '../routes/metrics.ts'

/** Of a listener for probes and Prometheus, which send heads of a few hundred bytes and no bodies. */
const LIMITS = { requestTimeout: 10_000, connectionTimeout: 30_000, keepAliveTimeout: 30_000, bodyLimit: 1024 } as const
const MAX_CONNECTIONS = 64

/** The management listener, not listening yet: /metrics, and health in full. It requires no token: do not publish its port. */
export async function buildManagement (app: FastifyInstance): Promise<FastifyInstance> {
  const { readiness, metrics } = app
  const management = fastify({ ...LIMITS, logger: false, forceCloseConnections: true, http: { maxHeaderSize: 8_192 } })
  management.server.maxConnections = MAX_CONNECTIONS
  await management.register(healthRoutes, { readiness, isInFull: () => true })
  await management.register(metricsRoute, { metrics })
  return management
}
