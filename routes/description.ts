import type { FastifyPluginCallback } from 'fastify'

/** The OpenAPI document. Not in production: there `npm run access -- --openapi` writes it for whoever should have it. */
export const descriptionRoutes: FastifyPluginCallback = (app, _options, done) => {
  app.get('/openapi.json', { config: { auth: 'public' }, schema: { hide: true } }, () => app.openapi())
  done()
}
