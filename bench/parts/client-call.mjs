import { once } from 'node:events'
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { mint } from '../issuer.mjs'
import { pinLoad, spawnServer } from '../machine.mjs'
import { controlLine, figuresOf, speedLine } from '../rounds.mjs'

const SUBJECT = fileURLToPath(new URL('client-call-subject.mjs', import.meta.url))
const BASE = 'fetch'
const CONTESTANTS = [BASE, 'fetch again', 'client.fetch', 'client.wrap(fetch)', 'fetch with AbortSignal.timeout']
/** A visit is 400 calls, a twentieth of a second: many of them, so that a difference of a few parts in a hundred shows. */
const VISITS_PER_ROUND = 25
/** About 5 % more CPU time at most. */
const AT_LEAST = 0.95
const BODY = JSON.stringify({ id: 4711, state: 'sent', items: [{ sku: 'a-1', count: 2 }, { sku: 'b-7', count: 1 }] })

/** P8: what a call costs the caller when the token is there. Both go to the same API, over connections that are kept. */
export async function measureClientCall ({ key, issuer, rounds, say }) {
  const token = (await mint(key, issuer, 1)).at(0)
  const server = createServer((request, response) => {
    request.resume()
    const body = request.method === 'POST' ? JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 86_400 }) : BODY
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body)
  })
  const release = pinLoad()
  try {
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const env = {
      API: `http://127.0.0.1:${server.address().port}`, ROUNDS: String(rounds * VISITS_PER_ROUND), CONTESTANTS: CONTESTANTS.join()
    }
    const child = spawnServer([SUBJECT], { env, stdout: 'pipe' })
    const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'exit')])
    if (status !== 0) throw new Error(`the calling process ended with ${status}`)
    const measured = JSON.parse(output)
    say(`${rounds * VISITS_PER_ROUND} visits of each`)
    return { title: 'Client: a call with a live token', lines: linesOf(measured), figures: figuresOf(measured) }
  } finally {
    release()
    server.close()
    server.closeAllConnections()
  }
}

function linesOf (measured) {
  const line = (goal, contestant, atLeast) =>
    speedLine({ goal, what: `${contestant} ÷ ${BASE}`, measured, contestant, base: BASE, atLeast })
  return [
    controlLine({ measured, base: BASE, twin: 'fetch again' }),
    line('P8', 'client.fetch', AT_LEAST),
    line('P8', 'client.wrap(fetch)', AT_LEAST),
    line('', 'fetch with AbortSignal.timeout')
  ]
}
