import { connect } from 'node:net'

const AT_A_TIME = 50

/**
 * Connections of an open loop: a request goes out when it is due, over an idle connection from its address or over a new one, never behind
 * another request. Beyond `most` connections a request is not sent and `onAnswer` is not called; `send` returns false.
 */
export class Connections {
  #port
  #most
  #idle = new Map()
  #count = 0
  #closed = false

  constructor (port, most) {
    this.#port = port
    this.#most = most
  }

  /** `onAnswer` gets the status and the head, or undefined when the connection ended without an answer. */
  send (address, text, onAnswer) {
    const connection = this.#idle.get(address)?.pop() ?? this.#open(address)
    if (connection === undefined) return false
    connection.onAnswer = onAnswer
    connection.socket.write(text, 'latin1')
    return true
  }

  /** Resolves when so many are open and idle; some at a time, since a crowd that connects at once is another trouble. */
  async open (address, count) {
    for (let opened = 0; opened < count; opened += AT_A_TIME) {
      const some = Array.from({ length: Math.min(AT_A_TIME, count - opened) }, () => this.#open(address))
      await Promise.all(some.map(({ socket }) => new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))))
      for (const connection of some) this.#keep(address, connection)
    }
  }

  close () {
    this.#closed = true
    for (const connections of this.#idle.values()) for (const { socket } of connections) socket.destroy()
  }

  #open (address) {
    if (this.#count >= this.#most) return undefined
    this.#count++
    const socket = connect({ port: this.#port, host: '127.0.0.1', localAddress: address, noDelay: true })
    const connection = { socket, received: '', onAnswer: undefined }
    socket.setEncoding('latin1')
    socket.on('data', (text) => { this.#read(address, connection, text) })
    socket.on('error', () => undefined)
    socket.on('close', () => { this.#ended(address, connection) })
    return connection
  }

  #read (address, connection, text) {
    connection.received += text
    const headEnd = connection.received.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(connection.received.slice(0, headEnd))?.[1] ?? 0)
    if (connection.received.length < headEnd + 4 + length) return
    const status = Number(connection.received.slice(9, 12))
    const head = connection.received.slice(0, headEnd)
    const closing = /\r\nconnection: *close/i.test(head)
    connection.received = ''
    if (closing || this.#closed) connection.socket.destroy()
    else this.#keep(address, connection)
    this.#answered(connection, status, head)
  }

  #keep (address, connection) {
    const idle = this.#idle.get(address)
    if (idle === undefined) this.#idle.set(address, [connection])
    else idle.push(connection)
  }

  #ended (address, connection) {
    this.#count--
    const idle = this.#idle.get(address)
    const at = idle?.indexOf(connection) ?? -1
    if (at >= 0) idle.splice(at, 1)
    this.#answered(connection, undefined)
  }

  #answered (connection, status, head) {
    const { onAnswer } = connection
    connection.onAnswer = undefined
    onAnswer?.(status, head)
  }
}

/** Calls `send` so often in a second, whatever became of the calls before; what was missed is made up for. Returns what stops it. */
export function openLoop (perSecond, send) {
  const beganMs = performance.now()
  let sent = 0
  const timer = setInterval(() => {
    const due = Math.floor((performance.now() - beganMs) / 1000 * perSecond)
    while (sent < due) send(sent++)
  }, 1)
  return () => { clearInterval(timer) }
}
