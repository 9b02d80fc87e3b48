import { DOCUMENTED, ours, peer, PEERS, PUBLIC, startFleet, texts } from '../fleet.mjs'
import { mint } from '../issuer.mjs'
import { inTurn, Lane } from '../load.mjs'
import { controlLine, figuresOf, playShortVisits, speedLine } from '../rounds.mjs'

const LIVE = 1_000
/** At most 1.12 times the CPU time. */
const METRICS_AT_LEAST = 0.893

const CONTESTANTS = [
  { ...ours('public route', { path: PUBLIC }), live: 0 },
  { ...ours('public route again', { path: PUBLIC }), live: 0 },
  { ...ours('public route, tokens sent', { path: PUBLIC }), live: LIVE },
  { ...ours('1 live token'), live: 1 },
  { ...ours('1,000 live tokens'), live: LIVE },
  { ...ours('public route, log at info', { path: PUBLIC, log: 'info' }), live: 0 },
  { ...ours('1,000 live tokens, log at info', { log: 'info' }), live: LIVE },
  { ...ours('1,000 live tokens, log at info and metrics', { log: 'info', env: { METRICS: 'on' } }), live: LIVE },
  { ...peer('plain-fastify'), live: 0 },
  { ...peer('plain-fastify', { as: 'plain-fastify, its own log', env: { LOG: 'on' } }), live: 0 },
  ...PEERS.map(({ name }) => ({ ...peer(name), live: LIVE }))
]

/** P1, P2 and the request log: tokens that are sent again and again. */
export async function measureHot ({ key, issuer, rounds, say, awake }) {
  const pool = await mint(key, issuer, LIVE)
  const tokens = Array.from({ length: LIVE }, (_, at) => pool.at(at))
  const sent = (live) => live === 0 ? [undefined] : tokens.slice(0, live)
  const requests = new Map(CONTESTANTS.map(({ name, path, live }) => [name, inTurn(texts(path, sent(live)))]))
  const fleet = await startFleet(CONTESTANTS, { issuer, token: tokens[0] })
  try {
    const measured = await playShortVisits({
      contestants: CONTESTANTS, rounds, say, laneOf: (name) => new Lane(fleet.at(name), { awake }), nextOf: ({ name }) => requests.get(name)
    })
    return { title: 'Hot: live tokens', lines: linesOf(measured), figures: figuresOf(measured) }
  } finally {
    await fleet.stop()
  }
}

function linesOf (measured) {
  const line = (goal, what, contestant, base, atLeast) => speedLine({ goal, what, measured, contestant, base, atLeast })
  return [
    controlLine({ measured, base: 'public route', twin: 'public route again' }),
    line('P1', '1 live token ÷ own public route', '1 live token', 'public route', 0.9),
    line('P1', '1,000 live tokens ÷ own public route', '1,000 live tokens', 'public route', 0.95),
    line('', '1,000 live tokens ÷ own public route when the same tokens are sent there', '1,000 live tokens', 'public route, tokens sent'),
    line(
      'P1',
      '1,000 live tokens ÷ own public route, both with the log at info',
      '1,000 live tokens, log at info',
      'public route, log at info',
      0.9
    ),
    ...PEERS.map(({ name, what, atLeast }) => line('P2', `1,000 live tokens ÷ ${what}`, '1,000 live tokens', name, atLeast)),
    line('log', '1,000 live tokens, log at info ÷ log off', '1,000 live tokens, log at info', '1,000 live tokens', 0.85),
    line(
      'metrics',
      '1,000 live tokens, log and metrics ÷ log alone',
      '1,000 live tokens, log at info and metrics',
      '1,000 live tokens, log at info',
      METRICS_AT_LEAST
    ),
    line(
      'log',
      '1,000 live tokens, log at info ÷ plain Fastify with its own log',
      '1,000 live tokens, log at info',
      'plain-fastify, its own log',
      1
    ),
    line('', '1,000 live tokens ÷ plain Fastify', '1,000 live tokens', 'plain-fastify'),
    line('', '1,000 live tokens, log at info ÷ plain Fastify', '1,000 live tokens, log at info', 'plain-fastify'),
    line('', `${DOCUMENTED} ÷ plain Fastify`, DOCUMENTED, 'plain-fastify')
  ]
}
