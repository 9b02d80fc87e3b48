import type { FastifyPluginCallback } from 'fastify'
import type { XStatic } from 'typebox/schema'

const DRAFT = {
  type: 'object',
  properties: { text: { type: 'string', minLength: 1, maxLength: 500 } },
  required: ['text'],
  additionalProperties: false
} as const

const MESSAGE = {
  type: 'object',
  properties: { text: { type: 'string' }, from: { type: 'string', description: 'the client that posted it' } },
  required: ['text']
} as const

interface Messages {
  readonly Body: XStatic<typeof DRAFT>
  readonly Reply: XStatic<typeof MESSAGE>
}

export const messageRoutes: FastifyPluginCallback = (app, _options, done) => {
  app.post<Messages>('/api/messages', {
    config: { auth: { scopes: ['test_api_access'] } },
    schema: { body: DRAFT, response: { 201: MESSAGE } }
  }, (request, reply) => {
    const { clientId } = request.principal
    reply.code(201)
    return { text: request.body.text, ...clientId !== undefined && { from: clientId } }
  })
  done()
}
