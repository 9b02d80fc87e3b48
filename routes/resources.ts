import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox'
import { Type } from 'typebox'

const Message = Type.Object({ message: Type.String() })
const schema = { response: { 200: Message } }

/** The three resources of the story: open, for every valid token, for a token with the scope. */
export const resourceRoutes: FastifyPluginCallbackTypebox = (app, _options, done) => {
  app.get('/api/public', { config: { auth: 'public' }, schema }, () => ({
    message: 'No need of Authorization to see this'
  }))
  app.get('/api/private', { config: { auth: { scopes: [] } }, schema }, () => ({
    message: 'Authorization is required to see this'
  }))
  app.get('/api/private-scoped', { config: { auth: { scopes: ['test_api_access'] } }, schema }, () => ({
    message: 'Authorization with a scope named test_api_access is required to see this'
  }))
  done()
}
