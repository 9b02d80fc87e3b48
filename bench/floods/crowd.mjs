/** A process of its own: good requests at a constant rate, whatever becomes of them. Told what to do by its parent. */
import { quantile } from '../load.mjs'
import { Connections, openLoop } from './connections.mjs'
import { requestOf } from './requests.mjs'

const MOST_CONNECTIONS = 2_000
/** After the last request, for the responses. */
const DRAIN_MS = 1_000

process.once('message', ({ port, tokens, perSecond, forMs }) => {
  const connections = new Connections(port, MOST_CONNECTIONS)
  const texts = tokens.map((token) => requestOf(token))
  const statuses = {}
  const waits = []
  let [offered, unsent, withoutRetryAfter] = [0, 0, 0]
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
    const seconds = (performance.now() - beganMs) / 1000
    process.send({ ended: true })
    setTimeout(() => {
      waits.sort((a, b) => a - b)
      const result = { statuses, unsent, withoutRetryAfter, offeredPerSecond: offered / seconds, p99Ms: quantile(waits, 0.99) }
      process.send(result, () => process.exit())
    }, DRAIN_MS)
  }, forMs)
})
