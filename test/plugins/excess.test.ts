// In a process of its own: it keeps the process busy.
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { EXCESS } from '../../plugins/excess.ts'
import { newKey } from '../support/issuer.ts'
import { soon } from '../support/keycloak-api.ts'
import { startService, type Service } from '../support/service.ts'

const key = newKey()
const UNDER_WAY = 64
const CHUNK_BYTES = 64 * 1024

const flood = (path: string, count: number): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(count)
const inOneChunk = (path: string): number => Math.floor(CHUNK_BYTES / flood(path, 1).length)

interface Caller { readonly socket: Socket, statuses: number[], ended: boolean }

function calls ({ url }: Service, text: string): Caller {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  const caller: Caller = { socket, statuses: [], ended: false }
  let received = ''
  socket.on('connect', () => socket.write(text)).on('error', () => undefined)
  socket.on('data', (chunk: Buffer) => { received += chunk.toString() })
  socket.on('close', () => {
    caller.statuses = [...received.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => Number(status))
    caller.ended = true
  })
  return caller
}

/** What a connection that sends too much gets, if it is not cut: as many responses as it may have, then refusals, each complete. */
function isWithinLimit (statuses: readonly number[]): boolean {
  return statuses.length > UNDER_WAY && statuses.every((status, at) => status === (at < UNDER_WAY ? 200 : 503))
}

t.test('in one turn of the event loop few requests are read that get no response, however many connections send them', async (t) => {
  const service = await startService(t, { key, overload: { perTurnMs: 60_000 } })
  let inTurn = 0
  let most = 0
  let refused = 0
  const seen = new WeakMap<object, number>()
  service.app.server.prependListener('request', ({ socket }) => {
    const requests = (seen.get(socket) ?? 0) + 1
    seen.set(socket, requests)
    if (requests <= UNDER_WAY) return
    refused++
    if (++inTurn === 1) setImmediate(() => { inTurn = 0 })
    most = Math.max(most, inTurn)
  })
  const callers = Array.from({ length: 10 }, () => calls(service, flood('/api/public', inOneChunk('/api/public'))))
  await soon(() => callers.every(({ ended }) => ended))
  for (const { statuses } of callers) t.ok(isWithinLimit(statuses), 'the responses within the limit, then refusals')
  t.ok(callers.every(({ statuses }) => statuses.length <= inOneChunk('/api/public')), 'nothing more is read')
  t.ok(refused > 5 * EXCESS.perTurn, 'there was a flood')
  t.ok(most < EXCESS.perTurn + inOneChunk('/api/public') + UNDER_WAY, `${most} in one turn`)
  const { status } = await service.ask('/api/public', {})
  t.equal(status, 200)
})

t.test('requests that wait behind slow ones are bounded over all connections', async (t) => {
  let waiting: Array<() => void> = []
  const service = await startService(t, {
    key,
    overload: { perTurnMs: 60_000 },
    prepare: (app) =>
      app.get('/slow', { config: { auth: 'public' } }, () => new Promise((resolve) => { waiting.push(() => resolve({ done: true })) }))
  })
  const release = (): void => { for (const finish of waiting.splice(0)) finish() }
  const count = inOneChunk('/slow')
  const callers = Array.from({ length: 30 }, () => calls(service, flood('/slow', count)))
  await soon(() => callers.some(({ ended }) => ended))
  await soon(() => waiting.length === UNDER_WAY * callers.length)
  const cut = callers.filter(({ ended }) => ended).length
  t.ok(cut >= callers.length - Math.ceil(EXCESS.inAll / (count - UNDER_WAY)) - 1, `${cut} cut`)
  release()
  await soon(() => callers.every(({ ended }) => ended))
  const kept = callers.filter(({ statuses }) => statuses.length > 0)
  t.ok(kept.length >= 5, `${kept.length} kept`)
  for (const { statuses } of kept) t.ok(isWithinLimit(statuses))

  waiting = []
  const again = calls(service, flood('/slow', count))
  await soon(() => waiting.length === UNDER_WAY)
  release()
  await soon(() => again.ended)
  t.ok(isWithinLimit(again.statuses), 'what is closed no longer counts')
})

t.test('a connection with more requests under way than the limit is not read any more', async (t) => {
  const waiting: Array<() => void> = []
  const service = await startService(t, {
    key,
    overload: { perTurnMs: 60_000 },
    prepare: (app) =>
      app.get('/slow', { config: { auth: 'public' } }, () => new Promise((resolve) => { waiting.push(() => resolve({ done: true })) }))
  })
  let requests = 0
  service.app.server.prependListener('request', () => requests++)
  const caller = calls(service, flood('/slow', 100_000))
  await soon(() => waiting.length === UNDER_WAY)
  for (const finish of waiting.slice(0, -1)) {
    finish()
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  t.ok(requests <= 2 * inOneChunk('/slow'), `${requests} read`)
  t.equal(caller.ended, false)
  waiting.at(-1)?.()
  await soon(() => caller.ended)
  t.equal(waiting.length, UNDER_WAY)
})
