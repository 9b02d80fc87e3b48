import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import type { FastifyRequest } from 'fastify'
import { Type, type Static } from 'typebox'
import { isLoopbackHost } from '../src/http/addresses.ts'

const Live = Type.Object({ status: Type.Literal('ok') })
const StatusWord = Type.Union([Type.Literal('ok'), Type.Literal('degraded'), Type.Literal('unavailable')])
type Status = Static<typeof StatusWord>
/** `conditions`: those that hold, by name; left out when there are none. The text is for this machine only, other callers get the severity. */
const Ready = Type.Object({
  status: StatusWord,
  conditions: Type.Optional(Type.Record(Type.String(), Type.String()))
})

export const healthRoutes: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get('/health/live', { config: { auth: 'public' }, schema: { response: { 200: Live } } }, () => ({ status: 'ok' as const }))

  app.get('/health/ready', { config: { auth: 'public' }, schema: { response: { 200: Ready, 503: Ready } } }, (request, reply) => {
    const isLocal = isThisMachine(request)
    const conditions = app.readiness.conditions()
    const visible = isLocal ? conditions : conditions.filter(([, { severity }]) => severity !== 'notice')
    const holds = (severity: string): boolean => conditions.some(([, condition]) => condition.severity === severity)
    const status: Status = holds('unavailable') ? 'unavailable' : holds('degraded') ? 'degraded' : 'ok'
    reply.header('cache-control', 'no-store').code(status === 'unavailable' ? 503 : 200)
    return {
      status,
      ...visible.length > 0 && { conditions: Object.fromEntries(visible.map(([name, { severity, text }]) => [name, isLocal ? text : severity])) }
    }
  })
  done()
}

const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-real-ip', 'via']

/** Whether the caller is on this machine and is not a proxy. Headers can be left out, the address of the socket cannot be chosen. */
function isThisMachine ({ socket, headers }: FastifyRequest): boolean {
  return isLoopbackHost(socket.remoteAddress ?? '') && !FORWARDING.some((name) => headers[name] !== undefined)
}
