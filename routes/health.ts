import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type, type Static } from 'typebox'

const Live = Type.Object({ status: Type.Literal('ok') })
const StatusWord = Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('unavailable')])
type Status = Static<typeof StatusWord>
/** `conditions`: those that hold, by name; left out when there is nothing to say. */
const Ready = Type.Object({
  status: StatusWord,
  conditions: Type.Optional(Type.Record(Type.String(), Type.String()))
})

export const healthRoutes: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get('/health/live', { config: { auth: 'public' }, schema: { response: { 200: Live } } }, () => ({ status: 'ok' as const }))

  app.get('/health/ready', { config: { auth: 'public' }, schema: { response: { 200: Ready, 503: Ready } } }, (_request, reply) => {
    const conditions = app.readiness.conditions()
    const holds = (severity: string): boolean => conditions.some(([, condition]) => condition.severity === severity)
    const status: Status = holds('unavailable') ? 'unavailable' : holds('degraded') ? 'degraded' : 'ok'
    reply.header('cache-control', 'no-store').code(status === 'unavailable' ? 503 : 200)
    return {
      status,
      ...conditions.length > 0 && { conditions: Object.fromEntries(conditions.map(([name, { text }]) => [name, text])) }
    }
  })
  done()
}
