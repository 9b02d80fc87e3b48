import { createServer, type AddressInfo } from 'node:net'
import Fastify from 'fastify'
import t from 'tap'
import { redisReplays } from '../../plugins/redis-replays.ts'
import { until } from '../support/service.ts'

t.test('a database that Redis does not have: the next attempt comes, also where the other end is silent', async (t) => {
  let connections = 0
  const info = 'redis_version:7\r\nloading:0\r\n'
  // Does not end its side of a connection; the first has no such database, those after it have.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const first = ++connections === 1
    socket.on('error', () => undefined)
    socket.on('data', (bytes) => {
      for (const [, command] of String(bytes).toLowerCase().matchAll(/\r\n(select|info|set|client|hello)\r\n/g)) {
        if (command === 'select' && first) socket.write('-ERR DB index is out of range\r\n')
        else if (command === 'info') socket.write(`$${info.length}\r\n${info}\r\n`)
        else socket.write('+OK\r\n')
      }
    })
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    server.close()
  })
  const replays = redisReplays(app, `redis://127.0.0.1:${(server.address() as AddressInfo).port}/5`)
  await app.ready()
  const use = async (): Promise<boolean> => replays.firstUse('proof')
  await t.rejects(use(), /DPoP proofs cannot be checked/)
  await until(() => connections === 2, 20_000)
  let isUsed = false
  await until(() => {
    void use().then((used) => { isUsed = used }, () => undefined)
    return isUsed
  })
  t.equal(connections, 2)
})
