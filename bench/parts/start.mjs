import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { ours } from '../fleet.mjs'
import { AUDIENCE } from '../issuer.mjs'
import { cpuMicrosOf, freePort, pinLoad, spawnServer, until200 } from '../machine.mjs'
import { controlLine, figuresOf, playRounds, ratio } from '../rounds.mjs'

/** A start takes half a second, so there can be more of them than of other rounds. */
const STARTS_PER_ROUND = 2
const EVERY_MS = 1
const LIVE = '/health/live'

const app = (name, file) => ({ name, args: [fileURLToPath(new URL(`../start/${file}.mjs`, import.meta.url))], env: {} })
const BASE = 'same imports, idle'
const CONTESTANTS = [app(BASE, 'imports'), app('same imports, idle, again', 'imports'), app('plain Fastify', 'plain'), ours('this service', { log: 'info' })]

/** P7: from spawn to the first 200. */
export async function measureStart ({ issuer, rounds, say }) {
  const visit = async ({ args, env }) => {
    const port = await freePort()
    const startMs = performance.now()
    const child = spawnServer(args, { cwd: tmpdir(), env: { PORT: String(port), ISSUER: issuer, AUDIENCE, ...env } })
    try {
      await until200(port, LIVE, { everyMs: EVERY_MS })
      const live = { ms: performance.now() - startMs, cpuMs: cpuMicrosOf(child.pid) / 1000 }
      if (env.LOG_LEVEL === undefined) return live
      await until200(port, '/health/ready', { everyMs: EVERY_MS })
      return { ...live, readyMs: performance.now() - startMs }
    } finally {
      const gone = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await gone
    }
  }
  const release = pinLoad()
  const measured = await playRounds({ contestants: CONTESTANTS, rounds: rounds * STARTS_PER_ROUND, say, visit }).finally(release)
  return { title: 'Start: from spawn to the first 200', lines: linesOf(measured), figures: figuresOf(measured) }
}

function linesOf (measured) {
  const byTime = ratio(measured, 'this service', BASE, 'ms', { speed: false })
  const toPlain = ratio(measured, 'this service', 'plain Fastify', 'ms', { speed: false })
  const { strayed } = controlLine({ measured, base: BASE, twin: 'same imports, idle, again', figures: ['ms', 'cpuMs'] })
  return [
    { goal: 'A/A', what: `${BASE}, against itself`, byTime: ratio(measured, 'same imports, idle, again', BASE, 'ms', { speed: false }), strayed },
    { goal: 'P7', what: 'start ÷ that of an app with the same imports that does nothing with them', atMost: 1.15, byTime, met: byTime.median <= 1.15 },
    { goal: '', what: 'start ÷ that of plain Fastify', byTime: toPlain }
  ]
}
