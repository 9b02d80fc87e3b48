import { setTimeout as pause } from 'node:timers/promises'

const TICK_MS = 10
/** Of failures, so many are named. */
const NAMED = 5

/** Requests at a constant rate, whatever becomes of those before (open loop): GET and POST in turn. `end()` waits for the last response. */
export class Load {
  #caller
  #authorization
  #timer
  #pending = new Set()
  sent = 0
  failures = []

  constructor ({ caller, token, perSecond }) {
    this.#caller = caller
    this.#authorization = `Bearer ${token}`
    const start = performance.now()
    this.#timer = setInterval(() => {
      const due = Math.floor((performance.now() - start) / 1000 * perSecond)
      while (this.sent < due) this.#send()
    }, TICK_MS)
  }

  #send () {
    const number = ++this.sent
    const isPost = number % 2 === 0
    const headers = { authorization: this.#authorization, ...isPost && { 'content-type': 'application/json' } }
    const call = isPost
      ? this.#caller.call('/test-api/api/messages', { method: 'POST', headers, body: '{"text":"Hello"}' })
      : this.#caller.call('/test-api/api/private-scoped', { headers })
    this.#pending.add(call)
    call.then(({ status, error }) => {
      this.#pending.delete(call)
      if (status !== (isPost ? 201 : 200)) this.failures.push({ number, method: isPost ? 'POST' : 'GET', seen: error ?? status })
    })
  }

  async until (sent) {
    while (this.sent < sent) await pause(TICK_MS)
  }

  async end () {
    clearInterval(this.#timer)
    while (this.#pending.size > 0) await Promise.all(this.#pending)
  }

  /** Such as `3 of 10,000 failed (GET 502, POST ECONNRESET)`. */
  toString () {
    const kinds = [...new Set(this.failures.map(({ method, seen }) => `${method} ${seen}`))].slice(0, NAMED)
    return `${this.failures.length} of ${this.sent.toLocaleString('en')} failed${kinds.length > 0 ? ` (${kinds.join(', ')})` : ''}`
  }
}
