import type { FastifyPluginCallback } from 'fastify'
import { createBoundedFetch } from '../src/http/bounded-fetch.ts'
import { isOwnPage } from './this-machine.ts'

export interface DevelopmentTokenOptions {
  readonly path: string
  /** Of the development issuer. Keycloak's own would need CORS for a page of this API; this route needs none. */
  readonly tokenEndpoint: string
}

const FORM = 'application/x-www-form-urlencoded'
const BOUNDS = { deadlineMs: 5_000, maxBytes: 64 * 1024 }
const REFUSED = { error: 'invalid_request', error_description: 'Tokens are passed on to the API page on the machine of the service only' }
const UNREACHABLE = { error: 'temporarily_unavailable', error_description: 'The development issuer does not respond' }

/**
 * The token request of the API page, passed on to the development issuer and back. Only from this machine, and only as a page of this
 * origin sends it: a form of another site cannot set X-Requested-With.
 */
export const developmentToken: FastifyPluginCallback<DevelopmentTokenOptions> = (app, { path, tokenEndpoint }, done) => {
  const issuer = createBoundedFetch(BOUNDS)
  app.addHook('onClose', () => issuer.close())
  app.addContentTypeParser(FORM, { parseAs: 'string', bodyLimit: 8 * 1024 }, (_request, body, parsed) => parsed(null, body))
  app.post<{ Body: string }>(path, { config: { auth: 'public' }, schema: { hide: true } }, async (request, reply) => {
    reply.header('cache-control', 'no-store')
    const { authorization } = request.headers
    if (!isOwnPage(request) || request.headers['x-requested-with'] === undefined) return reply.code(403).send(REFUSED)
    const headers = { 'content-type': FORM, ...authorization !== undefined && { authorization } }
    try {
      const { status, text } = await issuer.fetch(tokenEndpoint, { method: 'POST', headers, body: request.body })
      return await reply.code(status).type('application/json').send(text)
    } catch {
      return reply.code(503).send(UNREACHABLE)
    }
  })
  done()
}
