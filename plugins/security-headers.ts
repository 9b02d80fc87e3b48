import fp from 'fastify-plugin'

/** On every response, also on those that never reach Fastify. An API has no page: the policy is closed (OWASP ASVS 4.1, 3.4). */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': 'default-src \'none\'; frame-ancestors \'none\'',
  'referrer-policy': 'no-referrer'
} as const

/** The id of the request, as in its log line and in a problem body. */
export const REQUEST_ID = 'x-request-id'

export default fp((app, _options, done) => {
  app.addHook('onRequest', (request, reply, next) => {
    reply.headers(SECURITY_HEADERS).header(REQUEST_ID, request.id)
    next()
  })
  done()
}, { name: 'security-headers' })
