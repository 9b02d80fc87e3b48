/** A process of its own: good and bad requests at a constant rate, each with its right response. Told what happens by its parent. */
import { createClient } from '../../dist/src/client/client.js'
import { openLoop } from '../floods/connections.mjs'
import './measured.mjs'
import { BAD, GOOD } from './requests.mjs'

const PER_SECOND = { good: 80, bad: 20 }
const CLIENTS = ['one', 'two', 'three', 'four']
/** A new key that comes during a flood of invented key ids is learned within this time, and a second for a busy machine. */
const LEARNING_MS = 6_000
/** An outage is over for the service with its next fetch: at most one in 5 s. */
const AFTER_OUTAGE_MS = 7_000
const MOST_EXAMPLES = 20

/** What is known of the issuer at this moment. */
const state = { key: undefined, withdrawn: undefined, rotatedMs: 0, learningUntilMs: 0, isOutage: false, outageEndedMs: -Infinity }
const tally = { sent: {}, right: {}, shed: {}, learning: {}, unavailable: {}, wrong: {}, examples: [] }
const count = (what, name) => { tally[what][name] = (tally[what][name] ?? 0) + 1 }

const told = {
  begin: ({ api, issuer, key }) => begin(api, issuer, key),
  rotated ({ key, withdrawn, inFlood }) {
    Object.assign(state, { key, withdrawn, rotatedMs: performance.now() })
    if (inFlood) state.learningUntilMs = performance.now() + LEARNING_MS
  },
  outage ({ isOn }) {
    state.isOutage = isOn
    if (!isOn) state.outageEndedMs = performance.now()
  },
  end
}

let stops = []
let clients = []
const underWay = new Set()

process.on('message', async ({ what, values, id }) => {
  const value = await told[what]?.(values)
  if (id !== undefined && what in told) process.send({ id, value: value ?? null })
})

function begin (api, issuer, key) {
  state.key = key
  clients = CLIENTS.map((clientId) => createClient({
    tokenEndpoint: `${issuer}/protocol/openid-connect/token`, clientId, clientSecret: 'secret', scope: ['test_api_access'], apiUrl: api,
    maxRetryAfterMs: 0
  }))
  const play = (requests) => (n) => {
    const request = requests[n % requests.length]
    const client = clients[n % clients.length]
    const sent = judge(request, { api, issuer, state, client, clientId: CLIENTS[n % CLIENTS.length] })
    underWay.add(sent)
    void sent.finally(() => underWay.delete(sent))
  }
  stops = [openLoop(PER_SECOND.good, play(GOOD)), openLoop(PER_SECOND.bad, play(BAD))]
}

async function judge ({ name, send, status, isRight = () => true, isPossible = () => true, kid }, context) {
  if (!isPossible(context)) return
  count('sent', name)
  const wasLearning = performance.now() < state.learningUntilMs
  try {
    const response = await send(context)
    const text = await response.text()
    if (response.status === status && isRight(text, context)) return count('right', name)
    const retryAfter = response.headers.get('retry-after')
    if (response.status === 503 && kid === 'withdrawn' && retryAfter && isTroubled()) return count('unavailable', name)
    if (response.status === 401 && kid === 'current' && wasLearning) return count('learning', name)
    if (response.status === 503 && retryAfter === '1') return count('shed', name)
    wrong(name, `${response.status} ${text.slice(0, 200)}`)
  } catch (error) {
    wrong(name, String(error.cause ?? error))
  }
}

/** A key that is not known cannot be told from a new one while the issuer is unreachable. */
function isTroubled () {
  return state.isOutage || performance.now() - state.outageEndedMs < AFTER_OUTAGE_MS
}

function wrong (name, found) {
  count('wrong', name)
  if (tally.examples.length < MOST_EXAMPLES) tally.examples.push({ at: new Date().toISOString(), name, found })
}

async function end () {
  for (const stop of stops) stop()
  await Promise.all(underWay)
  await Promise.all(clients.map((client) => client.close()))
  return tally
}
