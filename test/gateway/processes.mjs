import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const SERVER = fileURLToPath(new URL('../../dist/src/server.js', import.meta.url))
const ISSUER = fileURLToPath(new URL('issuer-process.mjs', import.meta.url))
const DEADLINE_MS = 60_000

/** Every process that this program started and that still runs: ended with it, whatever happens. */
const alive = new Map()
process.on('exit', () => { for (const [child, signal] of alive) child.kill(signal) })
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

/** One program, which can be started again under the same address. */
export class Program {
  #command
  #options
  #lastSignal
  #child
  #ended
  /** All output since the first start. */
  output = ''

  /** `lastSignal` ends it with this program: a gateway that is killed would leave its workers. */
  constructor (command, { lastSignal = 'SIGKILL', ...options } = {}) {
    this.#command = command
    this.#options = options
    this.#lastSignal = lastSignal
  }

  start () {
    const [program, ...args] = this.#command
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...this.#options })
    alive.set(child, this.#lastSignal)
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { this.output += text })
    child.on('error', (error) => { this.output += error.message })
    this.#ended = new Promise((resolve) => child.on('close', (code, signal) => resolve(code ?? signal)))
    this.#ended.then(() => alive.delete(child))
    this.#child = child
  }

  /** Sends the signal and waits for the end; gives the exit code. */
  async end (signal = this.#lastSignal) {
    this.#child?.kill(signal)
    return this.#ended
  }
}

export async function temporaryFolder () {
  const folder = await mkdtemp(join(tmpdir(), 'scopegate-gateway-'))
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }) }
}

/** One replica of the service as built, in production, on a loopback address. */
export class Replica extends Program {
  constructor ({ folder, port, env }) {
    super(
      [process.execPath, SERVER],
      { cwd: folder, env: { PATH: process.env.PATH, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), ...env } }
    )
    this.url = `http://127.0.0.1:${port}`
  }

  async ready () {
    await until(
      async () => (await fetch(`${this.url}/health/ready`)).status === 200,
      () => `a replica is not ready: ${this.output.slice(-500)}`
    )
  }

  async listening () {
    await until(async () => (await fetch(`${this.url}/health/live`)).ok, () => `a replica does not listen: ${this.output.slice(-500)}`)
  }

  /** The lines of its log, parsed, from one of them on. */
  lines (from = 0) {
    return this.output.split('\n').filter((line) => line.startsWith('{')).slice(from).map((line) => JSON.parse(line))
  }
}

/** The development issuer as a process of its own; its keys remain over restarts. */
export function issuerProgram ({ folder, port }) {
  return new Program([process.execPath, ISSUER, String(port), join(folder, 'keys.json')], { cwd: folder })
}

export async function until (holds, otherwise) {
  const end = Date.now() + DEADLINE_MS
  while (!await Promise.resolve().then(holds).catch(() => false)) {
    if (Date.now() > end) throw new Error(otherwise())
    await pause(50)
  }
}
