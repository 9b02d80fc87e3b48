import type { FastifyPluginCallback } from 'fastify'

const MESSAGE = { type: 'object', properties: { message: { type: 'string' } }, required: ['message'] } as const
const schema = { response: { 200: MESSAGE } }

/** The three resources of the story: open, for every valid token, for a token with the scope. */
export const resourceRoutes: FastifyPluginCallback = (app, _options, done) => {
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
