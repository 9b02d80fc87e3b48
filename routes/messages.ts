import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

const Draft = Type.Object({ text: Type.String({ minLength: 1, maxLength: 500 }) }, { additionalProperties: false })
const Message = Type.Object({ text: Type.String(), from: Type.Optional(Type.String({ description: 'the client that posted it' })) })

export const messageRoutes: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.post('/api/messages', {
    config: { auth: { scopes: ['test_api_access'] } },
    schema: { body: Draft, response: { 201: Message } }
  }, (request, reply) => {
    const { clientId } = request.principal
    reply.code(201)
    return { text: request.body.text, ...clientId !== undefined && { from: clientId } }
  })
  done()
}
