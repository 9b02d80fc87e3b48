import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { freePort } from '../test/support/free-ports.mjs'
import { until200 } from './machine.mjs'

/**
 * Connections that pipeline as much as they can: memory of the server and the wait of another caller, ours beside plain Fastify in one
 * run; `cpuMs` is the processor time of the server until the response.
 * `node bench/pipelining.mjs [--connections 300] [--kilobytes 64,2642]` (2,642 kB on 300 connections are 774 MB).
 */
const here = (path) => fileURLToPath(new URL(path, import.meta.url))
const SUBJECTS = {
  ours: {
    file: here('../dist/src/server.js'),
    env: { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', NODE_ENV: 'production', ALLOW_INSECURE_HTTP: 'on' }
  },
  'plain Fastify': { file: here('peers/plain-fastify.mjs'), env: {} }
}
const REQUEST = 'GET /api/public HTTP/1.1\r\nHost: a\r\n\r\n'

async function start ({ file, env }) {
  const port = await freePort()
  const child = spawn(
    process.execPath,
    [file],
    { env: { PATH: process.env.PATH, HOST: '127.0.0.1', PORT: String(port), ...env }, stdio: ['ignore', 'ignore', 'inherit'] }
  )
  await until200(port, '/api/public', {})
  return { child, port, pid: child.pid }
}

const ticksOf = (pid) =>
  readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13).reduce((sum, ticks) => sum + Number(ticks), 0)
const megabytesOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024

function open (port, text, count) {
  const sockets = Array.from({ length: count }, () => connect(port, '127.0.0.1'))
  for (const socket of sockets) {
    socket.on('error', () => undefined).on('data', (chunk) => { socket.received = (socket.received ?? 0) + chunk.length })
    socket.on('connect', () => socket.write(text))
  }
  return sockets
}

async function measure ({ port, pid }, { connections, kilobytes }) {
  const before = megabytesOf(pid)
  const ticks = ticksOf(pid)
  let most = before
  const sampler = setInterval(() => { most = Math.max(most, megabytesOf(pid)) }, 20)
  const sockets = open(port, REQUEST.repeat(Math.ceil(kilobytes * 1024 / REQUEST.length)), connections)
  await Promise.all(sockets.slice(-1).map((socket) => once(socket, 'connect')))
  await new Promise((resolve) => setTimeout(resolve, 100))
  const begun = performance.now()
  const { status } = await fetch(`http://127.0.0.1:${port}/api/public`)
  const waitMs = Math.round(performance.now() - begun)
  const cpuMs = (ticksOf(pid) - ticks) * 10
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  clearInterval(sampler)
  const left = sockets.filter((socket) => !socket.closed).length
  for (const socket of sockets) socket.destroy()
  return { kilobytes, status, waitMs, cpuMs, beforeMB: Math.round(before), mostMB: Math.round(most), openAfterwards: left }
}

const { values } = parseArgs({
  options: { connections: { type: 'string', default: '300' }, kilobytes: { type: 'string', default: '64,2642' } }
})
for (const kilobytes of values.kilobytes.split(',').map(Number)) {
  for (const [name, subject] of Object.entries(SUBJECTS)) {
    const running = await start(subject)
    try {
      process.stdout.write(
        `${JSON.stringify({ name, ...await measure(running, { connections: Number(values.connections), kilobytes }) })}\n`
      )
    } finally {
      running.child.kill('SIGKILL')
    }
  }
}
