import fp from 'fastify-plugin'

/** On every answer, also on those that never reach Fastify. An API has no page: the policy is closed (OWASP ASVS 4.1, 3.4). */
export const SECURITY_HEADERS = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': 'default-src \'none\'; frame-ancestors \'none\'',
  'referrer-policy': 'no-referrer'
} as const

export default fp((app, _options, done) => {
  app.addHook('onRequest', (_request, reply, next) => {
    reply.headers(SECURITY_HEADERS)
    next()
  })
  done()
}, { name: 'security-headers' })
