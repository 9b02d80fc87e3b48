// Found by @fastify/autoload: a route of the host that declares its access like any other.
export default async function orders (app) {
  app.get('/orders', { config: { auth: { scopes: ['orders:read'] } } }, (request) => ({ client: request.principal.clientId }))
}
