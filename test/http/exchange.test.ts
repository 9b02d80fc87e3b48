import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import type { Dispatcher } from 'undici'
import { createConnections } from '../../src/http/connections.ts'
import { Exchange } from '../../src/http/exchange.ts'
import type { ExchangeReceiver } from '../../src/http/exchange.ts'
import { drip, listenOn, untilNoneOpen } from '../support/wire.ts'
import type { Wire } from '../support/wire.ts'

/** As the fetch of Node 26: the newer protocol. Resolves with what it was handed over. */
async function dispatched (exchange: Exchange, origin: string, path = '/'): Promise<readonly unknown[]> {
  const seen: unknown[] = []
  return await new Promise((resolve) => {
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => { seen.push('start') },
      onResponseStart: (_controller, status: number, headers: IncomingHttpHeaders) => { seen.push(status, headers['x-own']) },
      onResponseData: (_controller, chunk: Buffer) => { seen.push(chunk.toString()) },
      onResponseEnd: () => { resolve([...seen, 'end']) },
      onResponseError: (_controller, error: Error) => { resolve([...seen, error.message]) }
    }
    exchange.dispatch({ origin, path, method: 'GET' }, handler)
  })
}

interface Begun { readonly exchange: Exchange, readonly outcome: unknown[] }

function begun (t: Test, given: Partial<ExchangeReceiver>, deadlineMs = 60_000): Begun {
  const connections = createConnections({ timeoutMs: 60_000 })
  t.teardown(() => connections.close())
  const outcome: unknown[] = []
  const receiver: ExchangeReceiver = {
    late: () => new Error('late'),
    over: (complete) => { outcome.push(complete) },
    canceled: (reason) => { outcome.push(reason) },
    ...given
  }
  return { exchange: new Exchange(connections.lease(), deadlineMs, receiver), outcome }
}

const wireOf = (t: Test): Promise<Wire> => listenOn(t, (request, response) => {
  if (request.url === '/hint') response.writeEarlyHints({ link: '</a>; rel=preload' })
  if (request.url === '/drip') drip(response)
  else if (request.url === '/cut') response.destroy()
  else response.writeHead(201, { 'X-Own': ['a', 'b'] }).end('body')
})

t.test('a handler of the newer protocol gets the response; the receiver sees it first', async (t) => {
  const wire = await wireOf(t)
  for (const path of ['/', '/hint']) {
    const looked: unknown[] = []
    const { exchange, outcome } = begun(t, {
      start: (status, headers) => { looked.push(status, headers['x-own']); return undefined },
      data: (chunk) => { looked.push(chunk.toString()); return undefined }
    })
    t.same(await dispatched(exchange, wire.url, path), ['start', 201, ['a', 'b'], 'body', 'end'], path)
    t.same(looked, [201, 'a,b', 'body'])
    t.same(outcome, [true])
    exchange.cancel(new Error('too late to matter'))
    t.same(outcome, [true])
  }
})

t.test('what the receiver refuses, and what is late or cut, ends the exchange and its connection', async (t) => {
  const wire = await wireOf(t)
  const refused = new Error('refused')
  const cases: ReadonlyArray<readonly [string, Partial<ExchangeReceiver>, readonly unknown[], unknown]> = [
    ['/', { start: () => refused }, ['start', 'refused'], refused],
    ['/', { data: () => refused }, ['start', 201, ['a', 'b'], 'refused'], refused]
  ]
  for (const [path, receiver, seen, reason] of cases) {
    const { exchange, outcome } = begun(t, receiver)
    t.same(await dispatched(exchange, wire.url, path), seen)
    t.same(outcome, [false, reason])
  }
  const dripping = begun(t, {}, 500)
  t.equal((await dispatched(dripping.exchange, wire.url, '/drip')).at(-1), 'late')
  t.match(dripping.outcome, [false, { message: 'late' }])
  const cut = begun(t, {})
  await dispatched(cut.exchange, wire.url, '/cut')
  t.same(cut.outcome, [false])
  await untilNoneOpen(wire)
})

t.test('an exchange that is given up before it has a connection ends as soon as it has one', async (t) => {
  const wire = await wireOf(t)
  const { exchange, outcome } = begun(t, {})
  const seen = dispatched(exchange, wire.url, '/drip')
  exchange.cancel('a reason that is not an error')
  t.same(outcome, [false, 'a reason that is not an error'])
  t.ok((await seen).length > 0, 'the handler learns that it has ended')
  await untilNoneOpen(wire)
})
