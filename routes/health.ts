import type { FastifyPluginCallback } from 'fastify'
import type { XStatic } from 'typebox/schema'
import { isThisMachine } from './this-machine.ts'

const LIVE = { type: 'object', properties: { status: { const: 'ok' } }, required: ['status'] } as const
const STATUS = { type: 'string', enum: ['ok', 'degraded', 'unavailable'] } as const
type Status = XStatic<typeof STATUS>
/**
 * `conditions`: those that hold, by name; left out when there are none. The text is for this machine only, other callers get the
 * severity.
 */
const READY = {
  type: 'object',
  properties: { status: STATUS, conditions: { type: 'object', additionalProperties: { type: 'string' } } },
  required: ['status']
} as const

export const healthRoutes: FastifyPluginCallback = (app, _options, done) => {
  app.get('/health/live', { config: { auth: 'public' }, schema: { response: { 200: LIVE } } }, () => ({ status: 'ok' }))

  app.get('/health/ready', { config: { auth: 'public' }, schema: { response: { 200: READY, 503: READY } } }, (request, reply) => {
    const isLocal = isThisMachine(request)
    const conditions = app.readiness.conditions()
    const visible = isLocal ? conditions : conditions.filter(([, { severity }]) => severity !== 'notice')
    const holds = (severity: string): boolean => conditions.some(([, condition]) => condition.severity === severity)
    const status: Status = holds('unavailable') ? 'unavailable' : holds('degraded') ? 'degraded' : 'ok'
    reply.header('cache-control', 'no-store').code(status === 'unavailable' ? 503 : 200)
    return {
      status,
      ...visible.length > 0 && {
        conditions: Object.fromEntries(visible.map(([name, { severity, text }]) => [name, isLocal ? text : severity]))
      }
    }
  })
  done()
}
