import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { claimsOf, newKey, signerOf } from '../issuer.mjs'

/** The client renews at 60–80 % of it: what is left is longer than an outage. */
export const TOKEN_LIFE_SECONDS = 120
/** Of which tokens may be alive: the current one and those of the three minutes before. */
const LISTED = 4
/** Withdrawn so many rotations ago, every token of it has to be refused: 65 s and an outage are over. */
const WITHDRAWN_FOR = 3

const html = (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>Bad gateway</html>')
const BLOCK = Buffer.alloc(1 << 20, ' ')

/** What the issuer does in an outage; `refuse`: nobody listens. */
export const OUTAGES = [
  { name: '500', respond: (response) => response.writeHead(500).end() },
  { name: 'nobody listens', refuse: true },
  { name: 'an HTML page', respond: html },
  { name: 'no response', respond: () => undefined },
  {
    name: 'a cut connection',
    respond: (response) => { response.writeHead(200, { 'content-length': 1_000 }).write('{'); response.socket.destroySoon() }
  },
  { name: 'an empty set', respond: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"keys":[]}') },
  { name: '50 MB', respond: sendMuch }
]

function sendMuch (response) {
  response.writeHead(200, { 'content-type': 'application/json' })
  let left = 50
  const more = () => {
    while (left-- > 0 && !response.destroyed) if (!response.write(BLOCK)) { response.once('drain', more); return }
    response.end()
  }
  more()
}

/** An issuer with a key set and a token endpoint, whose keys rotate and which fails when it is told to. */
export class RotatingIssuer {
  #server
  #port
  #keys = []
  #outage
  #hanging = new Set()
  rotations = 0

  static async start () {
    const issuer = new RotatingIssuer()
    await issuer.rotate()
    await issuer.#listen(0)
    return issuer
  }

  get issuer () { return `http://127.0.0.1:${this.#port}/realms/myorg` }

  /** The key that signs. */
  get current () { return this.#keys[0] }

  /** A key whose tokens have to be refused by now, or undefined. */
  get withdrawn () { return this.#keys[LISTED + WITHDRAWN_FOR - 1] }

  /** A new key signs from now on; it is listed before that. */
  async rotate () {
    this.#keys = [newKey(), ...this.#keys].slice(0, LISTED + WITHDRAWN_FOR)
    this.rotations++
  }

  async fail (outage) {
    this.#outage = outage
    if (outage.refuse) await this.stop()
  }

  async recover () {
    const { refuse } = this.#outage
    this.#outage = undefined
    for (const response of this.#hanging) response.destroy()
    this.#hanging.clear()
    if (refuse) await this.#listen(this.#port)
  }

  async stop () {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #listen (port) {
    this.#server = createServer((request, response) => this.#respond(request, response))
    await new Promise((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
    this.#port = this.#server.address().port
  }

  #respond (request, response) {
    if (this.#outage !== undefined) {
      this.#hanging.add(response)
      response.on('close', () => this.#hanging.delete(response))
      this.#outage.respond(response)
    } else if (request.url.endsWith('/certs')) {
      send(response, { keys: this.#keys.slice(0, LISTED).map(({ jwk, kid, alg }) => ({ ...jwk, kid, alg, use: 'sig' })) })
    } else if (request.url.endsWith('/token')) {
      this.#issue(request, response)
    } else {
      response.writeHead(404).end()
    }
  }

  #issue (request, response) {
    let body = ''
    request.setEncoding('utf8').on('data', (text) => { body += text }).on('end', () => {
      const [client] = Buffer.from(request.headers.authorization.slice('Basic '.length), 'base64').toString().split(':')
      const scope = new URLSearchParams(body).get('scope') ?? ''
      send(response, {
        access_token: tokenOf(this.current, this.issuer, { client, scope }), token_type: 'Bearer', expires_in: TOKEN_LIFE_SECONDS, scope
      })
    })
  }
}

function send (response, body) {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(JSON.stringify(body))
}

const signers = new Map()

/** A token of its own for every call; `claims` are added last. */
export function tokenOf (key, issuer, { client, scope = '', ...claims }) {
  const sign = signers.get(key.kid) ?? signerOf(key)
  signers.set(key.kid, sign)
  if (signers.size > 2 * LISTED + WITHDRAWN_FOR) signers.delete(signers.keys().next().value)
  const now = Math.floor(Date.now() / 1000)
  return sign({ ...claimsOf(issuer), exp: now + TOKEN_LIFE_SECONDS, jti: randomUUID(), azp: client, client_id: client, scope, ...claims })
}
