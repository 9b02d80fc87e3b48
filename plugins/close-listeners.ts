import fp from 'fastify-plugin'
// The addition to the types of Fastify.
import './listeners.ts'

/** How often connections that have become idle are closed, while the application closes. */
const CLOSE_IDLE_MS = 100

/** The end of the application waits for the requests under way on every listener. Register it last: then it is the first to end. */
export default fp((app, _options, done) => {
  const { servers } = app.listeners
  let idle: NodeJS.Timeout | undefined
  app.addHook('preClose', (next) => {
    for (const server of servers) if (server !== app.server) server.close()
    idle = setInterval(() => app.listeners.closeIdle(), CLOSE_IDLE_MS)
    next()
  })
  app.addHook('onClose', async () => {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
    clearInterval(idle)
  })
  done()
}, { name: 'close-listeners', dependencies: ['listeners'] })
