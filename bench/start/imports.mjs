/** A Fastify app that imports what the service imports in production and does nothing with it: the base of P7. */
import 'fastify-plugin'
import '@fastify/jwt'
import 'get-jwks'
import 'env-schema'
import 'typebox'
import 'undici'
import 'pino'
import 'close-with-grace'
import fastify from 'fastify'

const app = fastify()
app.get('/health/live', () => ({ status: 'ok' }))
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
