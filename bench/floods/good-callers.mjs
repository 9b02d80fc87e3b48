/** A process of its own: first-use tokens at a constant rate, and a live probe beside them. Told what to do by its parent. */
import { quantile } from '../load.mjs'
import { Connections, openLoop } from './connections.mjs'
import { requestOf, sourceOf } from './requests.mjs'

const PROBES_PER_SECOND = 20
const PROBE = 'GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n'
/** Answers later than this count as none. */
const PATIENCE_MS = 5_000
const GOAL_MS = 1_000

process.once('message', ({ port, callers, forwarded, before, tokens, perSecond }) => {
  const connections = new Connections(port, 4_000)
  const send = (token, n) => new Promise((resolve) => {
    const source = sourceOf(callers, n)
    const beganMs = performance.now()
    connections.send(forwarded ? '127.0.0.1' : source, requestOf(token, forwarded ? source : undefined), (status) => {
      resolve({ status, ms: performance.now() - beganMs })
    })
  })

  Promise.all(before.map(send)).then((answers) => {
    const strange = answers.filter(({ status }) => status !== 200)
    process.send({ ready: strange.length === 0 })
  })

  process.once('message', async () => {
    const probes = []
    const stopProbes = openLoop(PROBES_PER_SECOND, () => {
      const beganMs = performance.now()
      connections.send('127.0.0.1', PROBE, () => { probes.push(performance.now() - beganMs) })
    })
    const answers = []
    await new Promise((resolve) => {
      const stop = openLoop(perSecond, (n) => {
        if (n >= tokens.length) { stop(); resolve(); return }
        answers.push(send(tokens[n], n))
      })
    })
    stopProbes()
    const patience = new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS, { status: 'none', ms: PATIENCE_MS }) })
    const ended = await Promise.all(answers.map((answer) => Promise.race([answer, patience])))
    process.send(summaryOf(ended, probes), () => process.exit())
  })
})

function summaryOf (answers, probes) {
  const statuses = {}
  for (const { status = 'ended' } of answers) statuses[status] = (statuses[status] ?? 0) + 1
  const waits = answers.filter(({ status }) => status === 200).map(({ ms }) => ms).sort((a, b) => a - b)
  probes.sort((a, b) => a - b)
  return {
    inTime: waits.filter((ms) => ms <= GOAL_MS).length / answers.length,
    statuses,
    p50Ms: quantile(waits, 0.5),
    p99Ms: quantile(waits, 0.99),
    liveP50Ms: quantile(probes, 0.5),
    liveP99Ms: quantile(probes, 0.99)
  }
}
