import fp from 'fastify-plugin'

/** One line for each request: never a header, a query, an address as it was sent (the route's pattern instead) or a body. */
export default fp((app, _options, done) => {
  app.addHook('onResponse', (request, reply, next) => {
    const { refused, optionalPrincipal } = request
    const line = {
      method: request.method,
      route: request.routeOptions.url ?? 'none',
      status: reply.statusCode,
      ms: Math.round(reply.elapsedTime * 100) / 100,
      ...optionalPrincipal !== undefined && { client: optionalPrincipal.clientId },
      ...refused
    }
    if (reply.statusCode >= 500) request.log.warn(line, 'request')
    else request.log.info(line, 'request')
    next()
  })
  done()
}, { name: 'request-log', dependencies: ['refusals', 'auth'] })
