/** A Fastify app with one route, for P7. */
import fastify from 'fastify'

const app = fastify()
app.get('/health/live', () => ({ status: 'ok' }))
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
