import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { AUDIENCE } from './issuer.mjs'
import { requestText } from './load.mjs'
import { freePort } from '../test/support/free-ports.mjs'
import { pinLoad, spawnServer, until200 } from './machine.mjs'

const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** The service as it is built and run in production. */
export const SERVICE = here('../dist/src/server.js')
export const PUBLIC = '/api/public'
export const PRIVATE = '/api/private'

/** This service: `log` is its LOG_LEVEL. */
export function ours (name, { path = PRIVATE, log = 'silent', args = [], env = {} } = {}) {
  return { name, args: [...args, SERVICE], path, env: { HOST: '127.0.0.1', LOG_LEVEL: log, ...env } }
}

/** A server of bench/peers. */
export function peer (name, { as = name, path = PRIVATE, env = {} } = {}) {
  return { name: as, args: [here(`peers/${name}.mjs`)], path, env }
}

export const DOCUMENTED = 'fastify-jwt-get-jwks'
/** With the least that this service promises to be faster, hot. */
export const PEERS = [
  { name: DOCUMENTED, what: '@fastify/jwt + get-jwks as documented', atLeast: 4.5 },
  { name: 'fastify-jwt-jwks', what: 'fastify-jwt-jwks', atLeast: 3 },
  { name: 'jose', what: 'jose, createRemoteJWKSet', atLeast: 3 },
  { name: 'express-oauth2-jwt-bearer', what: 'express-oauth2-jwt-bearer', atLeast: 6 },
  { name: 'aws-jwt-verify', what: 'aws-jwt-verify' },
  { name: 'fastify-jwt-tuned', what: '@fastify/jwt + get-jwks tuned by hand' }
]

/**
 * All contestants up, each a process of its own on the servers' core, each having answered 200 to `token`. Logs go to files,
 * as a container's would, and are deleted at the end.
 */
export async function startFleet (contestants, { issuer, token }) {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-bench-'))
  const running = new Map()
  const release = pinLoad()
  const stop = async () => {
    release()
    await Promise.all([...running.values()].map(({ child }) => new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) { resolve(); return }
      child.once('exit', resolve)
      child.kill('SIGKILL')
    })))
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    for (const { name, args, env, path } of contestants) {
      const port = await freePort()
      const log = openSync(join(folder, `${running.size}.log`), 'w')
      const child = spawnServer(args, { cwd: folder, stdout: log, env: { PORT: String(port), ISSUER: issuer, AUDIENCE, ...env } })
      const file = join(folder, `${running.size}.log`)
      running.set(name, { child, port, pid: child.pid, fate: () => fateOf(child, file) })
      await until200(port, path, { headers: { authorization: `Bearer ${token}` } })
    }
  } catch (error) {
    await stop()
    throw error
  }
  return { at: (name) => running.get(name), stop }
}

/** How a server ended that should be running, and the last it had to say. */
function fateOf ({ exitCode, signalCode }, logFile) {
  if (exitCode === null && signalCode === null) return ''
  return ` (the server ended: ${signalCode ?? exitCode}; ${readFileSync(logFile, 'utf8').slice(-500)})`
}

export const texts = (path, tokens) => tokens.map((token) => requestText(path, token))
