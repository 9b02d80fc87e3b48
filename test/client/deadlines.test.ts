import type { RequestListener } from 'node:http'
import t from 'tap'
import type { Test } from 'tap'
import { createClient } from '../../src/client/client.ts'
import type { Client, ClientOptions } from '../../src/client/client.ts'
import { collectAlways } from '../support/collector.ts'
import { drip, listenOn, untilNoneOpen } from '../support/wire.ts'
import type { Wire } from '../support/wire.ts'

const TOKEN = JSON.stringify({ access_token: 'token', token_type: 'Bearer', expires_in: 300 })
const DEADLINE_MS = 1000

/** While the body is read, or on a busy machine before the headers. */
function isLate (one: PromiseSettledResult<unknown>): boolean {
  return one.status === 'rejected' && one.reason instanceof Error && / within 1000 ms$/.test(one.reason.message)
}

/** No other timer of this process has this length. */
const LONG_MS = 54_321

async function parties (
  t: Test, api: RequestListener, options: Partial<ClientOptions> = {}
): Promise<{ client: Client, api: Wire, issuer: Wire }> {
  const wire = await listenOn(t, api)
  const issuer = await listenOn(t, (_request, response) => { response.setHeader('content-type', 'application/json').end(TOKEN) })
  const all = {
    tokenEndpoint: `${issuer.url}/token`, clientId: 'id', clientSecret: 'secret', apiUrl: wire.url, apiDeadlineMs: DEADLINE_MS, ...options
  }
  const client = createClient(all as ClientOptions)
  t.teardown(() => client.close())
  return { client, api: wire, issuer }
}

/** The timers of a length that are set, from now on. */
function timersOf (t: Test, lengthMs: number): ReadonlySet<NodeJS.Timeout> {
  const set = new Set<NodeJS.Timeout>()
  const { setTimeout, clearTimeout } = globalThis
  t.teardown(() => { Object.assign(globalThis, { setTimeout, clearTimeout }) })
  Object.assign(globalThis, {
    setTimeout: (call: (more: unknown) => void, ms: number, more: unknown) => {
      const timer = setTimeout(call, ms, more)
      if (ms === lengthMs) set.add(timer)
      return timer
    },
    clearTimeout: (timer: NodeJS.Timeout) => {
      set.delete(timer)
      clearTimeout(timer)
    }
  })
  return set
}

const SILENT: RequestListener = () => undefined
const DRIPPING: RequestListener = (_request, response) => { drip(response) }
const twenty = async (work: () => Promise<unknown>): Promise<Array<PromiseSettledResult<unknown>>> =>
  await Promise.allSettled(Array.from({ length: 20 }, work))

t.test('the deadline of 1 s ends a call, 20 of 20, also while the body is read, and no connection is left', async (t) => {
  collectAlways(t)
  const ways: ReadonlyArray<readonly [string, () => AbortSignal | undefined]> = [
    ['without a signal', () => undefined],
    ['with a controller of the caller', () => new AbortController().signal],
    ['with a combined signal of the caller', () => AbortSignal.any([new AbortController().signal, AbortSignal.timeout(600_000)])]
  ]
  for (const [way, signal] of ways) {
    await t.test(way, async (t) => {
      const { client, api } = await parties(t, DRIPPING)
      const all = await twenty(async () => {
        const own = signal()
        const response = await client.fetch('/', own === undefined ? {} : { signal: own })
        return await response.text()
      })
      t.same(all.filter((one) => !isLate(one)), [])
      await untilNoneOpen(api)
    })
  }
  const { client, api } = await parties(t, SILENT)
  const silent = await twenty(() => client.fetch('/'))
  t.match(
    silent,
    Array.from({ length: 20 }, () => ({ status: 'rejected', reason: { code: 'api_unreachable', message: /within 1000 ms/ } }))
  )
  await untilNoneOpen(api)
})

t.test('each way to read a body that does not end rejects with the TimeoutError; of the stream itself it is the cause', async (t) => {
  const { client, api } = await parties(t, DRIPPING)
  const late = { name: 'TimeoutError', message: 'no complete response within 1000 ms' }
  const ways: ReadonlyArray<readonly [string, (response: Response) => Promise<unknown>]> = [
    ...(['arrayBuffer', 'blob', 'json', 'text'] as const).map((name) => [name, (response: Response) => response[name]()] as const),
    ['clone', (response) => response.clone().text()],
    ['clone of a clone', (response) => response.clone().clone().json()]
  ]
  await Promise.all(ways.map(async ([name, read]) => { await t.rejects(client.fetch('/').then(read), late, name) }))
  const { body } = await client.fetch('/')
  await t.rejects(body!.pipeTo(new WritableStream()), { name: 'TypeError', cause: late })
  await untilNoneOpen(api)
})

t.test('a body that nobody reads, or whose response is forgotten, ends at the deadline too', async (t) => {
  collectAlways(t)
  const { client, api } = await parties(t, DRIPPING)
  await twenty(async () => { await client.fetch('/') })
  await untilNoneOpen(api)
})

t.test('the caller\'s own signal ends a call, 20 of 20, before and during the body', async (t) => {
  collectAlways(t)
  const timers = timersOf(t, LONG_MS)
  const reason = new Error('no longer wanted')
  const { client, api } = await parties(t, DRIPPING, { apiDeadlineMs: LONG_MS })
  const during = await twenty(async () => {
    const own = new AbortController()
    const response = await client.fetch('/', { signal: own.signal })
    setTimeout(() => { own.abort(reason) }, 300)
    return await response.text()
  })
  t.ok(during.every((one) => one.status === 'rejected' && one.reason === reason))
  await untilNoneOpen(api)

  const { client: other, api: silent } = await parties(t, SILENT, { apiDeadlineMs: LONG_MS })
  const before = await twenty(() => other.fetch('/', { signal: AbortSignal.timeout(300) }))
  t.ok(before.every((one) => one.status === 'rejected' && (one.reason as Error).name === 'TimeoutError'))
  await t.rejects(other.fetch('/', { signal: AbortSignal.abort(reason) }), reason)
  await untilNoneOpen(silent)
  t.equal(timers.size, 0)
})

t.test('the response of fetch is as any other, and its deadline costs no timer once it is read', async (t) => {
  collectAlways(t)
  const timers = timersOf(t, LONG_MS)
  const { client, api } = await parties(t, (request, response) => {
    if (request.url === '/cut') response.destroy()
    else if (request.url === '/half') response.write('half', () => setTimeout(() => response.destroy(), 100))
    else response.writeHead(200, { 'x-own': 'one', 'set-cookie': ['a=1', 'b=2'] }).write(
      '{"a":',
      () => setTimeout(() => response.end('1}'), 100)
    )
  }, { apiDeadlineMs: LONG_MS })
  for (let call = 0; call < 20; call++) {
    const response = await client.fetch('/', { signal: new AbortController().signal })
    t.same(response.headers.getSetCookie(), ['a=1', 'b=2'])
    t.equal(response.headers.get('x-own'), 'one')
    t.same(await Promise.all([response.clone().json(), response.text()]), [{ a: 1 }, '{"a":1}'])
  }
  t.ok(api.accepted < 20, 'connections are used again')
  await t.rejects(client.fetch('/cut'), { code: 'api_unreachable' })
  const half = await client.fetch('/half')
  await t.rejects(half.text(), { name: 'TypeError', message: 'terminated' })
  await t.rejects(client.fetch('/', { method: 'TWO WORDS' }), TypeError)
  t.equal(timers.size, 0)
  await client.close()
  await untilNoneOpen(api)
})

t.test('a dripping token endpoint or discovery never holds later calls: each attempt ends, and the next one is made', async (t) => {
  collectAlways(t)
  let dripping = true
  const issuer = await listenOn(t, (request, response) => {
    if (dripping) drip(response)
    else if (request.method === 'POST') response.end(TOKEN)
    else response.end(JSON.stringify({ issuer: issuer.url, token_endpoint: `${issuer.url}/token` }))
  })
  for (const place of [{ tokenEndpoint: `${issuer.url}/token` }, { issuer: issuer.url, tokenEndpoint: undefined }]) {
    dripping = true
    const clock = { ms: 0 }
    const { client } = await parties(t, SILENT, { ...place, tokenDeadlineMs: DEADLINE_MS, now: () => clock.ms } as Partial<ClientOptions>)
    for (let round = 0; round < 2; round++) {
      const all = await twenty(() => client.token())
      t.match(all, Array.from({ length: 20 }, () => ({
        status: 'rejected', reason: { code: 'issuer_unreachable', message: /no complete response within 1000 ms/ }
      })))
      clock.ms += 10_000
    }
    await untilNoneOpen(issuer)
    dripping = false
    t.equal(await client.token(), 'token')
    await client.close()
    await untilNoneOpen(issuer)
  }
})
