import { fork } from 'node:child_process'
import { mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../test/support/free-ports.mjs'
import { until200 } from '../machine.mjs'
import { AUDIENCE } from '../issuer.mjs'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))

/** A process of the run has ended before its time. */
export class Ended extends Error {}

/** Asks and tells a child over IPC; `measured.mjs` answers `measure` in each of them. */
class Peer {
  #waiting = new Map()
  #next = 0

  constructor (name, child) {
    this.child = child
    this.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
    child.on('message', ({ id, value }) => this.#waiting.get(id)?.(value))
    this.lost = this.ended.then((code) => { throw new Ended(`${name} ended with ${code}`) })
    this.lost.catch(() => undefined)
  }

  tell (what, values) {
    if (this.child.connected) this.child.send({ what, values })
  }

  /** Rejects when the child ends instead. */
  async ask (what, values) {
    const id = ++this.#next
    const answer = new Promise((resolve) => this.#waiting.set(id, resolve))
    this.child.send({ what, values, id })
    try {
      return await Promise.race([answer, this.lost])
    } finally {
      this.#waiting.delete(id)
    }
  }
}

const start = (name, file, options = {}) =>
  new Peer(name, fork(file, { execArgv: ['--expose-gc'], stdio: ['ignore', 'inherit', 'inherit', 'ipc'], ...options }))

/** In production, with what operators switch on; the log goes to a file that is deleted at the end. */
export async function startService (issuer) {
  const [port, managementPort] = [await freePort(), await freePort()]
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-soak-'))
  const log = openSync(join(folder, 'log'), 'w')
  const peer = start('the service', here('../../dist/src/server.js'), {
    cwd: folder,
    execArgv: ['--expose-gc', '--import', here('measured.mjs')],
    stdio: ['ignore', log, 'inherit', 'ipc'],
    env: {
      PATH: process.env.PATH, NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), MANAGEMENT_PORT: String(managementPort),
      ISSUER: issuer, AUDIENCE, KEYS_REFRESH_SECONDS: '10', TOKEN_CACHE_MB: '4', AUDIT: 'on', RATE_LIMIT_PER_MINUTE: '1000000'
    }
  })
  peer.ended.then(() => rmSync(folder, { recursive: true, force: true }))
  await Promise.race([until200(managementPort, '/health/ready'), peer.lost])
  return Object.assign(peer, { api: `http://127.0.0.1:${port}`, managementPort })
}

export const startCallers = () => start('the callers', here('callers.mjs'))
export const startFlooder = () => start('the flooder', here('flooder.mjs'))

export async function stopAll (peers) {
  for (const { child } of peers) child.kill('SIGKILL')
  await Promise.all(peers.map(({ ended }) => ended))
}
