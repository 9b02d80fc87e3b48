import { connect, type Socket } from 'node:net'
import t from 'tap'
import { newKey } from '../support/issuer.ts'
import { startService, until } from '../support/service.ts'

const key = newKey()

t.test('beyond MAX_CONNECTIONS the connection that has been idle longest is closed, a caller with a request under way never', async (t) => {
  const open: (() => void)[] = []
  const service = await startService(t, {
    key,
    environment: { MAX_CONNECTIONS: '10' },
    prepare: (app) => app.get('/waits', { config: { auth: 'public' } }, async () => {
      await new Promise<void>((resolve) => open.push(resolve))
      return 'served'
    })
  })
  const port = Number(new URL(service.url).port)
  const closed: number[] = []
  const texts: string[] = []
  const dial = async (name: number): Promise<Socket> => {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    texts[name] = ''
    socket.on('data', (chunk) => { texts[name] = `${texts[name] ?? ''}${chunk.toString()}` })
      .on('error', () => undefined)
      .on('close', () => closed.push(name))
    await new Promise((resolve) => socket.once('connect', resolve))
    return socket
  }
  const busy = await dial(0)
  busy.write('GET /waits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await until(() => open.length === 1)
  for (let name = 1; name <= 12; name++) {
    await dial(name)
    await until(() => closed.length === Math.max(0, name - 9))
  }
  t.same(closed, [1, 2, 3], 'the oldest idle ones, one for each new connection')
  open[0]?.()
  await until(() => closed.includes(0))
  t.match(texts[0], /^HTTP\/1\.1 200[^]*served$/)
})

t.test('where all connections are in use, the new one is closed', async (t) => {
  let waiting = 0
  const service = await startService(t, {
    key,
    environment: { MAX_CONNECTIONS: '10' },
    prepare: (app) => app.get('/waits', { config: { auth: 'public' } }, async () => { waiting++; await new Promise(() => undefined) })
  })
  const port = Number(new URL(service.url).port)
  const sockets = Array.from({ length: 10 }, () => connect(port, '127.0.0.1').on('error', () => undefined))
  t.teardown(() => { for (const socket of sockets) socket.destroy() })
  for (const socket of sockets) socket.write('GET /waits HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => waiting === 10)
  await new Promise((resolve) => connect(port, '127.0.0.1').on('error', () => undefined).on('close', resolve))
  t.ok(sockets.every((socket) => !socket.destroyed))
})
