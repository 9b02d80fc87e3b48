/** A process of its own: good requests at a constant rate, whatever becomes of them. Told what to do by its parent. */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { quantile } from '../load.mjs'
import { Connections, openLoop } from './connections.mjs'
import { requestOf } from './requests.mjs'

const MOST_CONNECTIONS = 2_000
/** After the last request, for the responses. */
const DRAIN_MS = 1_000

/** `connected`: over connections that are there before; otherwise all are opened at once, by its first requests. */
process.once('message', async ({ port, tokens, perSecond, forMs, connected }) => {
  const connections = new Connections(port, MOST_CONNECTIONS)
  if (connected) await connections.open('127.0.0.1', MOST_CONNECTIONS)
  const texts = tokens.map((token) => requestOf(token))
  const statuses = {}
  const waits = []
  let [offered, unsent, withoutRetryAfter] = [0, 0, 0]
  const lag = monitorEventLoopDelay({ resolution: 5 })
  lag.enable()
  const beganMs = performance.now()
  const stop = openLoop(perSecond, (n) => {
    const sentMs = performance.now()
    const sent = connections.send('127.0.0.1', texts[n % texts.length], (status = 'ended', head = '') => {
      statuses[status] = (statuses[status] ?? 0) + 1
      if (status === 200) waits.push(performance.now() - sentMs)
      if (status === 503 && !/\r\nretry-after: *\d+/i.test(head)) withoutRetryAfter++
    })
    if (sent) offered++
    else unsent++
  })
  setTimeout(() => {
    stop()
    lag.disable()
    const seconds = (performance.now() - beganMs) / 1000
    process.send({ ended: true })
    setTimeout(() => {
      waits.sort((a, b) => a - b)
      const result = {
        statuses, unsent, withoutRetryAfter, offeredPerSecond: offered / seconds, p99Ms: quantile(waits, 0.99), ownLagMs: lag.max / 1e6
      }
      process.send(result, () => process.exit())
    }, DRAIN_MS)
  }, forMs)
})
