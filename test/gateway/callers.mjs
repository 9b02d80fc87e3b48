import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { Agent, request as httpsRequest } from 'node:https'
import { connect } from 'node:tls'

export const HOST = 'api.example.com'
const TIMEOUT_MS = 30_000
const RAW_TIMEOUT_MS = 5_000

/** Calls a gateway over TLS under the name in its certificate, over connections that are kept alive. */
export class Caller {
  #tls
  #agent

  /** `own` is a certificate of the caller and its key. */
  constructor ({ port, certificate, own = {}, connections = 64 }) {
    this.#tls = { host: '127.0.0.1', port, ca: certificate, servername: HOST, ...own }
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections, maxFreeSockets: connections, ...this.#tls })
  }

  /** Resolves with status, headers and body, or with the code of a connection's error: what a caller sees. */
  async call (path, { method = 'GET', headers = {}, body, localAddress } = {}) {
    return new Promise((resolve) => {
      const agent = localAddress === undefined ? this.#agent : false
      const options = { ...this.#tls, agent, localAddress, method, path, headers: { host: HOST, ...headers } }
      const request = httpsRequest(options, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk) => { text += chunk })
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: text }))
        response.on('error', (error) => resolve({ status: 0, headers: {}, body: '', error: error.code ?? error.message }))
      })
      request.setTimeout(TIMEOUT_MS, () => request.destroy(new Error('no response within 30 s')))
      request.on('error', (error) => resolve({ status: 0, headers: {}, body: '', error: error.code ?? error.message }))
      request.end(body)
    })
  }

  /** The response to raw text on a connection of its own, as text. */
  async raw (text) {
    return new Promise((resolve) => {
      let response = ''
      const socket = connect(this.#tls, () => socket.write(text, 'latin1'))
      const timer = setTimeout(() => socket.destroy(), RAW_TIMEOUT_MS)
      socket.setEncoding('latin1').on('data', (chunk) => { response += chunk })
      socket.on('error', () => undefined)
      socket.on('close', () => {
        clearTimeout(timer)
        resolve(response)
      })
    })
  }

  /** The status of a GET over HTTP/2, on a connection of its own; 0 where there was none. */
  async http2 (path, headers) {
    const session = connectHttp2(`https://${HOST}`, { createConnection: () => connect({ ...this.#tls, ALPNProtocols: ['h2'] }) })
    try {
      const request = session.request({ ':path': path, ...headers })
      request.setTimeout(RAW_TIMEOUT_MS, () => request.close())
      const status = new Promise((resolve) => {
        request.on('response', (head) => resolve(head[':status'])).on('close', () => resolve(0)).on('error', () => resolve(0))
        session.on('error', () => resolve(0))
      })
      request.resume()
      return await status
    } finally {
      session.destroy()
    }
  }

  /** A request on a new session of this TLS version, then on one that resumes it: the statuses, and whether it was resumed. */
  async resumed (text, version) {
    let session
    let isResumed
    const statuses = []
    for (const turn of ['new', 'resumed']) {
      const socket = connect({ ...this.#tls, minVersion: version, maxVersion: version, ...turn === 'resumed' && { session } })
      socket.on('session', (ticket) => { session ??= ticket }).on('error', () => undefined)
      let response = ''
      socket.setEncoding('latin1').on('data', (chunk) => { response += chunk })
      await once(socket, 'secureConnect')
      isResumed = socket.isSessionReused()
      socket.setTimeout(RAW_TIMEOUT_MS, () => socket.destroy()).write(text, 'latin1')
      await once(socket, 'close')
      statuses.push(statusOf(response))
    }
    return { statuses, isResumed }
  }

  close () {
    this.#agent.destroy()
  }
}

/** A request as raw text that ends its connection. */
export const rawRequest = (target, lines = [], host = HOST) =>
  `${[`GET ${target} HTTP/1.1`, `Host: ${host}`, ...lines, 'Connection: close'].join('\r\n')}\r\n\r\n`
export const statusOf = (response) => Number(/^HTTP\/1\.[01] (\d+)/.exec(response)?.[1] ?? 0)
