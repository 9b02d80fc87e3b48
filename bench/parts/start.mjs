import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { ours } from '../fleet.mjs'
import { AUDIENCE } from '../issuer.mjs'
import { freePort } from '../../test/support/free-ports.mjs'
import { cpuMicrosOf, pinLoad, spawnServer, until200 } from '../machine.mjs'
import { controlLine, figuresOf, playRounds, ratio } from '../rounds.mjs'

/** A start takes half a second, so there can be more of them than of other rounds. */
const STARTS_PER_ROUND = 2
const EVERY_MS = 1
const LIVE = '/health/live'

const app = (name, file) => ({ name, args: [fileURLToPath(new URL(`../start/${file}.mjs`, import.meta.url))], env: {} })
const BASE = 'plain Fastify'
const TWIN = 'plain Fastify, again'
const CONTESTANTS = [app(BASE, 'plain'), app(TWIN, 'plain'), ours('this service', { log: 'info' })]
/** Without a compile cache. */
const AT_MOST = Number(process.versions.node.split('.')[0]) >= 22 ? 2 : 2.3
const MEMORY_AT_MOST = 1.25
/** From ready until the memory is read. */
const IDLE_MS = 2_000

/** P7: from spawn to the first 200, and the memory of a service that has its keys and no requests. */
export async function measureStart ({ issuer, rounds, say }) {
  const visit = async ({ args, env }) => {
    const port = await freePort()
    const startMs = performance.now()
    const child = spawnServer(args, { cwd: tmpdir(), env: { PORT: String(port), ISSUER: issuer, AUDIENCE, ...env } })
    try {
      await until200(port, LIVE, { everyMs: EVERY_MS })
      const live = { ms: performance.now() - startMs, cpuMs: cpuMicrosOf(child.pid) / 1000 }
      if (env.LOG_LEVEL !== undefined) await until200(port, '/health/ready', { everyMs: EVERY_MS })
      const readyMs = performance.now() - startMs
      await sleep(IDLE_MS)
      return { ...live, readyMs, residentMb: residentMbOf(child.pid) }
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
  const byMemory = ratio(measured, 'this service', BASE, 'residentMb', { speed: false })
  const { strayed } = controlLine({ measured, base: BASE, twin: TWIN, figures: ['ms', 'cpuMs'] })
  return [
    { goal: 'A/A', what: `${BASE}, against itself`, byTime: ratio(measured, TWIN, BASE, 'ms', { speed: false }), strayed },
    { goal: 'P7', what: 'start ÷ that of plain Fastify', atMost: AT_MOST, byTime, met: byTime.median <= AT_MOST },
    {
      goal: '', what: 'idle memory ÷ that of plain Fastify', atMost: MEMORY_AT_MOST, byTime: byMemory,
      met: byMemory.median <= MEMORY_AT_MOST
    }
  ]
}

function residentMbOf (pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024
}
