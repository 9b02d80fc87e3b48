/** A process of its own: one flood at a time, from other addresses than the callers'. Counts what it gets and judges nothing. */
import { randomBytes, randomUUID } from 'node:crypto'
import { connect } from 'node:net'
import { Connections, openLoop } from '../floods/connections.mjs'
import { requestOf, sourceOf } from '../floods/requests.mjs'
import { claimsOf, forgedToken } from '../issuer.mjs'
import { tokenOf } from './issuer.mjs'
import './measured.mjs'

const PER_SECOND = 300
const ADDRESSES = { first: 66, count: 200 }
const SLOW_CONNECTIONS = 1_000
const PIPELINED = 200
const statuses = {}
const count = (flood, what) => { statuses[flood] = { ...statuses[flood], [what]: (statuses[flood]?.[what] ?? 0) + 1 } }

const get = (path, lines = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${lines}\r\n`
const ODD_METHODS = ['PURGE', 'SEARCH', 'LOCK', 'TRACE']
const GARBAGE = [
  () => get(`/${randomUUID()}?${randomUUID()}`),
  () => `${ODD_METHODS[Math.floor(Math.random() * ODD_METHODS.length)]} /${randomUUID()} HTTP/1.1\r\nHost: a\r\n\r\n`,
  () => get('/api/private', `Authorization: Bearer ${randomBytes(300).toString('base64url')}\r\n`),
  () => get('/api/private', `Authorization: Bearer ${'a'.repeat(16_000)}\r\n`),
  () => get('/api/private', `X-Long: ${'a'.repeat(30_000)}\r\n`),
  () => `${randomBytes(40).toString('latin1')}\r\n\r\n`,
  () => get('/%1b%5b31m', 'Authorization: Basic x\r\nAuthorization: Bearer y\r\n')
]

/** The text of the nth request of a flood. */
const texts = {
  signatures: (_n, { key, issuer }) => requestOf(forgedToken(key.kid, { ...claimsOf(issuer), azp: randomUUID() }, key.alg)),
  'key ids': (n, { key, issuer }) =>
    requestOf(tokenOf({ ...key, kid: `invented-${n % 50}-${randomUUID().slice(0, 2)}` }, issuer, { client: 'flood' })),
  garbage: (n) => GARBAGE[n % GARBAGE.length]()
}

process.on('message', async ({ what, values, id }) => {
  if (what === 'begin') await flood(values)
  if (what === 'end') process.send({ id, value: statuses })
})

async function flood ({ api, issuer, key, flood: name, seconds }) {
  const { port } = new URL(api)
  const end = name in texts
    ? requests(name, Number(port), { issuer, key })
    : name === 'slow'
      ? slow(Number(port))
      : pipelining(Number(port))
  setTimeout(end, seconds * 1_000)
}

function requests (name, port, context) {
  const connections = new Connections(port, 500)
  const stop = openLoop(PER_SECOND, (n) => {
    const sent = connections.send(sourceOf(ADDRESSES, n), texts[name](n, context), (status = 'closed') => count(name, status))
    if (!sent) count(name, 'not sent')
  })
  return () => {
    stop()
    connections.close()
  }
}

/** Silent connections, half-sent heads, half-sent bodies, requests whose callers leave. */
function slow (port) {
  const begun = [
    '',
    'GET /api/private HTTP/1.1\r\nHost: a\r\nX-Half',
    'POST /api/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"te',
    get('/api/private')
  ]
  const sockets = Array.from(
    { length: SLOW_CONNECTIONS },
    (_, n) => open(port, n, 'slow', (socket) => socket.write(begun[n % begun.length]))
  )
  return () => { for (const socket of sockets) socket.destroy() }
}

/** More requests on a connection than may be under way, and half of the callers leave before the responses are there. */
function pipelining (port) {
  const sockets = new Set()
  const stop = openLoop(10, (n) => {
    const socket = open(port, n, 'pipelining', () => {
      socket.write(get('/api/public').repeat(PIPELINED))
      if (n % 2 === 0) setTimeout(() => socket.destroy(), 2)
    })
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  return () => {
    stop()
    for (const socket of sockets) socket.destroy()
  }
}

function open (port, n, name, onConnect) {
  const socket = connect({ port, host: '127.0.0.1', localAddress: sourceOf(ADDRESSES, n) })
  socket.on('connect', () => onConnect(socket)).on('error', () => undefined)
  socket.on('data', (chunk) => { for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d+)/g)) count(name, status) })
  socket.on('close', () => count(name, 'closed'))
  return socket
}
