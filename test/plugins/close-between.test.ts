import { createServer, type Server } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { closeBetweenConnections } from '../../plugins/close-between.ts'

async function listening (t: Test): Promise<{ server: Server, port: number }> {
  const server = createServer((_request, response) => { response.setHeader('connection', 'close').end('served') })
  // What a service does with connections that have not sent anything yet is another rule (first-requests.ts).
  server.closeIdleConnections = () => undefined
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => { server.closeAllConnections() })
  return { server, port: (server.address() as AddressInfo).port }
}

/** Connects and closes the server within one turn of the event loop: the kernel has accepted the connection, Node has not. */
function connectAndClose (server: Server, port: number): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const socket = connect(port, '127.0.0.1')
    socket.on('data', (part) => { received += part.toString() })
      .on('error', ({ message }) => resolve(message))
      .on('close', () => resolve(received))
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    process.nextTick(() => process.nextTick(() => server.close()))
  })
}

t.test('a connection that the kernel has accepted when the server closes gets its response', async (t) => {
  const { server, port } = await listening(t)
  closeBetweenConnections(server)
  const closed = new Promise((resolve) => server.on('close', resolve))
  t.match(await connectAndClose(server, port), /^HTTP\/1\.1 200 [^]*served/)
  await closed
  t.equal(server.listening, false)
})

t.test('without it such a connection is reset', async (t) => {
  const { server, port } = await listening(t)
  t.notMatch(await connectAndClose(server, port), /served/)
})

t.test('a server that receives in every turn closes all the same, within a bound', async (t) => {
  const { server } = await listening(t)
  closeBetweenConnections(server)
  let turns = 0
  let closed = false
  const busy = (): void => {
    if (closed) return
    turns++
    server.emit('connection', { on: () => undefined, once: () => undefined })
    setImmediate(busy)
  }
  server.removeAllListeners('connection').on('connection', () => undefined)
  closeBetweenConnections(server)
  busy()
  await new Promise<void>((resolve) => server.close(() => { closed = true; resolve() }))
  t.ok(turns > 1, `${turns} turns`)
})

t.test('an error of close is the caller\'s', async (t) => {
  const { server } = await listening(t)
  closeBetweenConnections(server)
  await new Promise((resolve) => server.close(resolve))
  t.match(await new Promise((resolve) => server.close(resolve)), { code: 'ERR_SERVER_NOT_RUNNING' })
})
