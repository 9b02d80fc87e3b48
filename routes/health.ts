import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import type { XStatic } from 'typebox/schema'
import { isThisMachine } from './this-machine.ts'

const LIVE = { type: 'object', properties: { status: { const: 'ok' } }, required: ['status'] } as const
const STATUS = { type: 'string', enum: ['ok', 'degraded', 'unavailable'] } as const
type Status = XStatic<typeof STATUS>
/** `conditions`: those that hold, by name; left out when there are none. */
const READY = {
  type: 'object',
  properties: { status: STATUS, conditions: { type: 'object', additionalProperties: { type: 'string' } } },
  required: ['status']
} as const

interface Condition { readonly severity: string, readonly text: string }

export interface HealthOptions {
  /** What `app.readiness` is of the application that is asked about. */
  readonly readiness: { readonly conditions: () => ReadonlyArray<readonly [name: string, condition: Condition]> }
  /** Who gets the texts of the conditions, and notices; other callers get the severity. By default a caller on this machine. */
  readonly isInFull?: (request: FastifyRequest) => boolean
}

export const healthRoutes: FastifyPluginCallback<HealthOptions> = (app, { readiness, isInFull = isThisMachine }, done) => {
  app.get('/health/live', { config: { auth: 'public' }, schema: { response: { 200: LIVE } } }, () => ({ status: 'ok' }))

  app.get('/health/ready', { config: { auth: 'public' }, schema: { response: { 200: READY, 503: READY } } }, (request, reply) => {
    const inFull = isInFull(request)
    const conditions = readiness.conditions()
    const visible = inFull ? conditions : conditions.filter(([, { severity }]) => severity !== 'notice')
    const holds = (severity: string): boolean => conditions.some(([, condition]) => condition.severity === severity)
    const status: Status = holds('unavailable') ? 'unavailable' : holds('degraded') ? 'degraded' : 'ok'
    reply.header('cache-control', 'no-store').code(status === 'unavailable' ? 503 : 200)
    return {
      status,
      ...visible.length > 0 && {
        conditions: Object.fromEntries(visible.map(([name, { severity, text }]) => [name, inFull ? text : severity]))
      }
    }
  })
  done()
}
