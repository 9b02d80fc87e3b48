import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { cpuMicrosOf } from './machine.mjs'

/** Requests that one stream has sent may stay open for so long after the end. */
const DRAIN_MS = 10_000

/** The text of a request, as a small client sends it. */
export function requestText (path, token) {
  return `GET ${path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n${token === undefined ? '' : `authorization: Bearer ${token}\r\n`}\r\n`
}

/** The same texts over and over. */
export function inTurn (texts) {
  let at = 0
  return () => {
    if (at === texts.length) at = 0
    return texts[at++]
  }
}

/** Each token of a pool once; a pool that is used up fails the run, since a used token would be found in a cache. */
export function eachOnce (pool, path) {
  let at = 0
  return () => requestText(path, pool.at(at++))
}

/**
 * Closed loop: every connection sends, waits for the answer, sends again; no pipelining. `streams`: { connections, next, statuses,
 * pauseMs }, all at one server at the same time. Untimed for `warmMs`, then timed for `timedMs`. A status that a stream does not expect
 * fails the run. For each stream: requests, perSecond, p50 and p99 in ms; for all together the server's CPU time for each request.
 */
export async function load ({ port, pid, streams, warmMs = 1_000, timedMs = 2_000 }) {
  const running = streams.map((stream) => new Stream(port, stream))
  const failure = Promise.race(running.map((stream) => stream.failed))
  await Promise.race([pause(warmMs), failure])
  for (const stream of running) stream.beginTimed()
  const startCpu = cpuMicrosOf(pid)
  const startMs = performance.now()
  await Promise.race([pause(timedMs), failure])
  const seconds = (performance.now() - startMs) / 1000
  const endCpu = cpuMicrosOf(pid)
  const results = running.map((stream) => stream.endTimed(seconds))
  await Promise.race([Promise.all(running.map((stream) => stream.drained())), failure, pause(DRAIN_MS)])
  for (const stream of running) stream.destroy()
  const requests = results.reduce((sum, result) => sum + result.requests, 0)
  return { streams: results, cpuMicros: endCpu === undefined ? undefined : (endCpu - startCpu) / requests }
}

/** Every text once, as fast as they are answered. Resolves when all are. */
export async function sendAll ({ port, texts, statuses = [200], connections = 16 }) {
  const iterator = texts[Symbol.iterator]()
  const stream = new Stream(port, { connections, statuses, next: () => iterator.next().value })
  await Promise.race([stream.exhausted, stream.failed])
  await Promise.race([stream.drained(), stream.failed])
  stream.end()
  stream.destroy()
}

/**
 * The event loop of the load does not sleep until the returned function is called. To wake a process on another core costs the one that
 * sends to it several microseconds on a virtual machine, and the slower a server is, the more often it finds the load asleep.
 */
function keepAwake () {
  let isAwake = true
  const turn = () => { if (isAwake) setImmediate(turn) }
  turn()
  return () => { isAwake = false }
}

/** The connections to one contestant, kept from one short visit to the next. A visit has no untimed part: a long one comes before. */
export class Lane {
  #server
  #stream
  #awake

  /** `server`: { port, pid, fate }, as a fleet has it. `awake: false`: the load sleeps while it waits, as most programs do. */
  constructor (server, { connections, awake = true } = {}) {
    this.#server = server
    this.#awake = awake
    this.#stream = new Stream(server.port, { connections, next: () => undefined, opened: false })
  }

  /** Sends for so long, and waits for every response. The figures are those of all requests that were sent. */
  async visit (next, ms) {
    const stream = this.#stream
    const startCpu = cpuMicrosOf(this.#server.pid)
    const startMs = performance.now()
    stream.resume(next)
    const letSleep = this.#awake ? keepAwake() : undefined
    try {
      await Promise.race([pause(ms), stream.failed])
      stream.end()
      await Promise.race([stream.drained(1), stream.failed])
    } catch (error) {
      throw new Error(`${error.message}${this.#server.fate()}`, { cause: error })
    } finally {
      letSleep?.()
    }
    const seconds = (performance.now() - startMs) / 1000
    const cpu = cpuMicrosOf(this.#server.pid)
    const { requests, ...figures } = stream.endTimed(seconds)
    return { ...figures, cpuMicros: cpu === undefined ? undefined : (cpu - startCpu) / requests }
  }

  close () {
    this.#stream.end()
    this.#stream.destroy()
  }
}

/** A server does not wait long for the first request of a connection. */
const NOT_OPENED = { closed: true, waiting: false, destroy: () => undefined }

class Stream {
  #port
  #next
  #statuses
  #pauseMs
  #connections
  #timed = false
  #ended = false
  #latencies = []
  #reject
  #exhaust
  exhausted = new Promise((resolve) => { this.#exhaust = resolve })
  failed = new Promise((_resolve, reject) => { this.#reject = reject })

  constructor (port, { connections = 32, next, statuses = [200], pauseMs, opened = true }) {
    this.#port = port
    this.#next = next
    this.#statuses = new Set(statuses)
    this.#pauseMs = pauseMs
    this.failed.catch(() => undefined)
    this.#connections = Array.from({ length: connections }, () => opened ? new Connection(port, this) : NOT_OPENED)
  }

  beginTimed () {
    this.#timed = true
  }

  end () {
    this.#ended = true
  }

  /** After `end` and `drained`: the same connections send again. Those that the server has closed meanwhile are opened anew. */
  resume (next) {
    this.#next = next
    this.#latencies = []
    this.#timed = true
    this.#ended = false
    this.#connections = this.#connections.map((connection) => connection.closed ? new Connection(this.#port, this) : connection)
    for (const connection of this.#connections) if (connection.open && !connection.waiting) connection.send()
  }

  endTimed (seconds) {
    this.#timed = false
    this.end()
    const sorted = Float64Array.from(this.#latencies).sort()
    return { requests: sorted.length, perSecond: sorted.length / seconds, p50Ms: quantile(sorted, 0.5), p99Ms: quantile(sorted, 0.99) }
  }

  async drained (everyMs = 5) {
    while (this.#connections.some(({ waiting }) => waiting)) await pause(everyMs)
  }

  destroy () {
    for (const connection of this.#connections) connection.destroy()
  }

  /** The next text for a connection, or undefined at the end. */
  next () {
    if (this.#ended) return undefined
    const text = this.#next()
    if (text === undefined) this.#exhaust()
    return text
  }

  answered (connection, status, ms) {
    if (!this.#statuses.has(status)) this.fail(new Error(`status ${status}, expected ${[...this.#statuses].join(' or ')}`))
    if (this.#timed) this.#latencies.push(ms)
    if (this.#pauseMs === undefined) connection.send()
    else setTimeout(() => connection.send(), this.#pauseMs)
  }

  fail (error) {
    if (!this.#ended) this.#reject(error)
  }
}

const BUFFER_BYTES = 64 * 1024

/** One keep-alive connection. Answers of the same length as the last one are not parsed beyond their status. */
class Connection {
  #socket
  #stream
  #sentMs = 0
  #wholeLength = -1
  #pending = ''
  waiting = false
  open = false
  closed = false

  constructor (port, stream) {
    this.#stream = stream
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafe(BUFFER_BYTES), callback: (bytes, buffer) => this.#read(bytes, buffer) }
    })
    this.#socket.on('connect', () => {
      this.open = true
      this.send()
    })
    this.#socket.on('error', (error) => stream.fail(error))
    this.#socket.on('close', () => {
      this.closed = true
      stream.fail(new Error('the server closed a connection'))
    })
  }

  send () {
    let text
    try {
      text = this.#stream.next()
    } catch (error) {
      this.#stream.fail(error)
    }
    if (text === undefined) return
    this.waiting = true
    this.#sentMs = performance.now()
    this.#socket.write(text, 'latin1')
  }

  #read (bytes, buffer) {
    if (this.#pending === '' && bytes === this.#wholeLength) this.#complete(statusIn(buffer))
    else this.#readSlowly(buffer.latin1Slice(0, bytes))
    return true
  }

  #readSlowly (text) {
    this.#pending += text
    const headEnd = this.#pending.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = /\r\ncontent-length: *(\d+)/i.exec(this.#pending.slice(0, headEnd))?.[1]
    if (length === undefined) { this.#stream.fail(new Error('an answer without content-length')); return }
    const whole = headEnd + 4 + Number(length)
    if (this.#pending.length < whole) return
    const status = Number(this.#pending.slice(9, 12))
    this.#pending = ''
    this.#wholeLength = whole
    this.#complete(status)
  }

  #complete (status) {
    this.waiting = false
    this.#stream.answered(this, status, performance.now() - this.#sentMs)
  }

  destroy () {
    this.#socket.destroy()
  }
}

/** `HTTP/1.1 200 …`, without making a text of it. */
function statusIn (buffer) {
  return (buffer[9] - 48) * 100 + (buffer[10] - 48) * 10 + buffer[11] - 48
}

/** Nearest rank, of sorted values. */
export function quantile (sorted, share) {
  return sorted.length === 0 ? undefined : sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
}
