import { ours, startFleet, texts } from '../fleet.mjs'
import { mint } from '../issuer.mjs'
import { inTurn, Lane } from '../load.mjs'
import { controlLine, figuresOf, playShortVisits, speedLine } from '../rounds.mjs'

const LIVE = 1_000
const before = (file) => ({ args: ['--import', new URL(`../traces/${file}.mjs`, import.meta.url).href] })
const BASE = '1,000 live tokens'
const TWIN = '1,000 live tokens, again'
const API = '1,000 live tokens, @opentelemetry/api loaded'
const SDK = '1,000 live tokens, an SDK registered'
const CONTESTANTS = [ours(BASE), ours(TWIN), ours(API, before('api')), ours(SDK, before('sdk'))]

/** What traces cost: nothing without an SDK, and what with one. */
export async function measureTraces ({ key, issuer, rounds, say }) {
  const pool = await mint(key, issuer, LIVE)
  const tokens = Array.from({ length: LIVE }, (_, at) => pool.at(at))
  const requests = new Map(CONTESTANTS.map(({ name, path }) => [name, inTurn(texts(path, tokens))]))
  const fleet = await startFleet(CONTESTANTS, { issuer, token: tokens[0] })
  try {
    const measured = await playShortVisits({
      contestants: CONTESTANTS, rounds, say, laneOf: (name) => new Lane(fleet.at(name)), nextOf: ({ name }) => requests.get(name)
    })
    return { title: 'Traces: live tokens', lines: linesOf(measured), figures: figuresOf(measured) }
  } finally {
    await fleet.stop()
  }
}

function linesOf (measured) {
  const line = (what, contestant, atLeast) => speedLine({ goal: 'traces', what, measured, contestant, base: BASE, atLeast })
  return [
    controlLine({ measured, base: BASE, twin: TWIN }),
    line('@opentelemetry/api loaded and no SDK ÷ without', API, 0.95),
    line('an SDK that makes every span and sends none ÷ without', SDK)
  ]
}
