import { spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AUDIENCE } from '../issuer.mjs'
import { freePort } from '../../test/support/free-ports.mjs'
import { statusOf, until200 } from '../machine.mjs'

const SERVER = fileURLToPath(new URL('../../dist/src/server.js', import.meta.url))
/** Side by side: each drains for five seconds. */
const LANES = 8
const WITHIN_MS = 60_000
const LOG_CHARACTERS = 2_000

/** Starts and ends the service as a process so often, each lane at the same two ports again and again; returns what went wrong. */
export async function restartProcesses ({ issuer, token, times, say }) {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-restarts-'))
  const failures = []
  const beganMs = performance.now()
  let ended = 0
  const lane = async () => {
    const [port, managementPort] = [await freePort(), await freePort()]
    while (ended++ < times) failures.push(...await restart({ folder, issuer, token, port, managementPort }))
    for (const one of [port, managementPort]) {
      if (await statusOf(one, '/health/live') !== undefined) failures.push(`port ${one} is still open`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(LANES, times) }, lane))
  const left = processesIn(folder)
  if (left.length > 0) failures.push(`processes that are left: ${left.join()}`)
  rmSync(folder, { recursive: true, force: true })
  say(
    `${times} processes in ${Math.min(LANES, times)} lanes, ${Math.round((performance.now() - beganMs) / 1000)} s: ` +
    `${failures.length} failures, ${left.length} processes left`
  )
  return failures
}

/** Ready, one accepted request, SIGTERM, exit code 0. */
async function restart ({ folder, issuer, token, port, managementPort }) {
  const child = spawn(process.execPath, [SERVER], {
    cwd: folder, stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH, NODE_ENV: 'production', ISSUER: issuer, AUDIENCE, HOST: '127.0.0.1', PORT: String(port),
      MANAGEMENT_PORT: String(managementPort)
    }
  })
  let log = ''
  let complaint = ''
  child.stdout.on('data', (text) => { log += text })
  child.stderr.on('data', (text) => { complaint += text })
  const exit = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
  const failures = []
  try {
    await Promise.race([until200(managementPort, '/health/ready', { withinMs: WITHIN_MS }), exit])
    const status = await statusOf(port, '/api/private', { authorization: `Bearer ${token}` })
    if (status !== 200) failures.push(`status ${status}`)
  } catch (error) {
    failures.push(`${error.message}; the log: ${log.slice(-LOG_CHARACTERS)}`)
  }
  child.kill('SIGTERM')
  const code = await exit
  if (code !== 0 || complaint !== '') failures.push(`a process ended with ${code}: ${complaint}`)
  return failures
}

/** Processes that were started in a folder. */
function processesIn (folder) {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readlinkSync(`/proc/${pid}/cwd`) === folder
    } catch {
      return false
    }
  })
}
