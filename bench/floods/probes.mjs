/** A process of its own: live probes at a constant rate, until its parent sends a message. */
import { quantile } from '../load.mjs'
import { Connections, openLoop } from './connections.mjs'

const PER_SECOND = 20
const PROBE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'

process.once('message', ({ port }) => {
  const connections = new Connections(port, 1_000)
  const waits = []
  let strange = 0
  const stop = openLoop(PER_SECOND, () => {
    const sentMs = performance.now()
    connections.send('127.0.0.1', PROBE, (status) => {
      waits.push(performance.now() - sentMs)
      if (status !== 200) strange++
    })
  })
  process.once('message', () => {
    stop()
    waits.sort((a, b) => a - b)
    process.send({ probes: waits.length, strange, p50Ms: quantile(waits, 0.5), p99Ms: quantile(waits, 0.99) }, () => process.exit())
  })
})
