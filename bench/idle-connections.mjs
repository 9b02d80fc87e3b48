import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { freePort } from '../test/support/free-ports.mjs'
import { statusOf, until200 } from './machine.mjs'

/**
 * Callers that open connections and send nothing, half a head, half a body, or one request: what they cost, and what others get
 * meanwhile. `node bench/idle-connections.mjs [--connections 10500]`; needs as many descriptors (`ulimit -n`).
 */
const { values } = parseArgs({ options: { connections: { type: 'string', default: '10500' } } })
const SERVER = fileURLToPath(new URL('../dist/src/server.js', import.meta.url))
const KINDS = {
  'nothing at all': '',
  'half a head': 'GET /api/public HTTP/1.1\r\nHost: a\r\nX-Half',
  'half a body': 'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"te',
  'one request': 'GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n'
}
/** A server accepts one connection in a turn, and the kernel keeps some hundred that wait. */
const AT_ONCE = 100
/** The head has 20 s, the check for it is made every 5 s. */
const HEAD_MS = 27_000
const ADDRESSES = 200

const megabytesOf = (pid) => Math.round(Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024)

for (const [kind, text] of Object.entries(KINDS)) {
  process.stdout.write(`${JSON.stringify(await measure(kind, text, Number(values.connections)))}\n`)
}

async function measure (kind, text, count) {
  const [port, managementPort] = [await freePort(), await freePort()]
  const child = spawn(process.execPath, [SERVER], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env.PATH, NODE_ENV: 'production', ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', HOST: '127.0.0.1',
      PORT: String(port),
      MANAGEMENT_PORT: String(managementPort)
    }
  })
  try {
    await until200(port, '/health/live')
    const beforeMB = megabytesOf(child.pid)
    const sockets = await open(port, text, count)
    const open0 = await metric(managementPort, 'scopegate_connections')
    const openMB = megabytesOf(child.pid)
    const waits = []
    for (let probe = 0; probe < 20; probe++) waits.push(await timed(() => statusOf(port, '/health/live')))
    const status = await statusOf(port, '/api/public')
    await pause(HEAD_MS)
    const result = {
      kind, connections: count, open: open0, closedByTheBound: await metric(managementPort, 'scopegate_connections_closed_total'), beforeMB,
      openMB,
      publicRoute: status, slowestProbeMs: Math.round(Math.max(...waits)), openAfterTheHeadTime: readdirSync(`/proc/${child.pid}/fd`).length
    }
    for (const socket of sockets) socket.destroy()
    return result
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
}

async function open (port, text, count) {
  const sockets = []
  for (let n = 0; n < count; n += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, at) => {
      // Of one address there are fewer ports than connections.
      const socket = connect({ port, host: '127.0.0.1', localAddress: `127.0.1.${(n + at) % ADDRESSES + 1}` })
      return socket.on('error', () => undefined).resume()
    })
    await Promise.all(some.map((socket) => once(socket, 'connect')))
    for (const socket of some) socket.write(text)
    sockets.push(...some)
  }
  await pause(1_000)
  return sockets
}

async function metric (port, name) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

async function timed (call) {
  const beganMs = performance.now()
  await call()
  return performance.now() - beganMs
}
