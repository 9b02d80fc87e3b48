import cors from '@fastify/cors'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { isPreflight } from './preflight.ts'

export interface CorsOptions {
  /** Exact origins, such as `https://app.example.com`: scheme, host and port. */
  readonly origins: readonly string[]
}

/** What a page may read of a response beside its body: why it was refused, when to come again, under which id it is in the log. */
const EXPOSED = ['WWW-Authenticate', 'Retry-After', 'Allow', 'X-Request-Id', 'DPoP-Nonce']
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/**
 * Lets pages of other origins read the responses, errors too. The response to a preflight is sent before authentication, since
 * it never carries
 * credentials (Fetch standard §3.2.2). Cookies are not allowed: a token in a header is all that this service knows. Register it before
 * whatever may refuse a request.
 */
export default fp<CorsOptions>(async (app, { origins }) => {
  const common = { origin: [...origins], exposedHeaders: EXPOSED, methods: METHODS, maxAge: 600, strictPreflight: false }
  await app.register(cors, {
    // Any other OPTIONS request goes on to its route.
    delegator: (request: FastifyRequest, callback) => callback(null, { ...common, preflight: isPreflight(request) })
  })
}, { name: 'cors' })
