import { DOCUMENTED, ours, peer, PRIVATE, PUBLIC, startFleet } from '../fleet.mjs'
import { claimsOf, mint, signerOf } from '../issuer.mjs'
import { eachOnce, inTurn, load, requestText } from '../load.mjs'
import { controlLine, figuresOf, playRounds, ratio } from '../rounds.mjs'

/** Connections that send nothing but tokens with a bad signature, as fast as they are answered; beside them callers of the open route. */
const FLOOD = 100
const CALLERS = 8
const CALLER_PAUSE_MS = 2
/** Bad tokens each contestant gets through in a second, at most. */
const PER_SECOND = 11_000

const CONTESTANTS = [
  peer(DOCUMENTED, { path: PUBLIC }), peer(DOCUMENTED, { as: 'documented again', path: PUBLIC }), ours('this service', { path: PUBLIC })
]

/** P4: what a caller of the public route waits while a flood of bad signatures goes on at the same core. */
export async function measureFlood ({ key, issuer, rounds, say, times: { warmMs, timedMs } }) {
  const pool = await mint(key, issuer, Math.ceil(rounds * (warmMs + timedMs) / 1000 * PER_SECOND), { forged: true })
  const fleet = await startFleet(CONTESTANTS, { issuer, token: signerOf(key)(claimsOf(issuer)) })
  try {
    const next = new Map(CONTESTANTS.map(({ name }) => [name, eachOnce(pool, PRIVATE)]))
    const measured = await playRounds({
      contestants: CONTESTANTS,
      rounds,
      say,
      visit: async ({ name }) => {
        const { streams: [callers, flood] } = await load({ ...fleet.at(name), warmMs, timedMs, streams: [
          { connections: CALLERS, pauseMs: CALLER_PAUSE_MS, next: inTurn([requestText(PUBLIC)]) },
          { connections: FLOOD, statuses: [401, 503], next: next.get(name) }
        ] })
        return { p50Ms: callers.p50Ms, p99Ms: callers.p99Ms, perSecond: flood.perSecond }
      }
    })
    return {
      title: 'A flood of bad signatures: what a caller of the public route waits', lines: linesOf(measured), figures: figuresOf(measured)
    }
  } finally {
    await fleet.stop()
  }
}

/** By the time that callers wait: the rate of the flood is its own affair. */
function controlOf (measured) {
  const { byCpu: byTime, strayed, ...line } = controlLine({
    measured, base: DOCUMENTED, twin: 'documented again', figures: ['p99Ms', 'p50Ms']
  })
  return { ...line, byTime, byRate: undefined, strayed }
}

function linesOf (measured) {
  const byTime = ratio(measured, 'this service', DOCUMENTED, 'p99Ms', { speed: false })
  return [
    controlOf(measured),
    {
      goal: 'P4',
      what: 'p99 of the public route under the flood ÷ that of the documented wiring',
      atMost: 0.2,
      byTime,
      met: byTime.median <= 0.2
    }
  ]
}
