import { ours, peer, PEERS, startFleet } from '../fleet.mjs'
import { mint } from '../issuer.mjs'
import { eachOnce, Lane } from '../load.mjs'
import { controlLine, figuresOf, playShortVisits, sendingMs, speedLine } from '../rounds.mjs'

/** More than any contestant gets through in a second. */
const PER_SECOND = 26_000

const FLOOR = 'bare-rs256'
const CONTESTANTS = [peer(FLOOR), peer(FLOOR, { as: 'bare-rs256 again' }), ours('every token new'), ...PEERS.map(({ name }) => peer(name))]
/** Does not look at the audience, as its documentation does not. */
const FEWER_CHECKS = new Set(['fastify-jwt-get-jwks'])

/** P3: every token is distinct and each contestant sees it once, over all the rounds, so no cache can hit. */
export async function measureCold ({ key, issuer, rounds, say, awake }) {
  const count = Math.ceil(sendingMs(rounds) / 1000 * PER_SECOND)
  say(`signing ${count} tokens`)
  const pool = await mint(key, issuer, count + 1)
  const fleet = await startFleet(CONTESTANTS, { issuer, token: pool.at(count) })
  try {
    const next = new Map(CONTESTANTS.map(({ name, path }) => [name, eachOnce(pool, path)]))
    const measured = await playShortVisits({
      contestants: CONTESTANTS, rounds, say, laneOf: (name) => new Lane(fleet.at(name), { awake }), nextOf: ({ name }) => next.get(name)
    })
    return { title: 'Cold: every token new', lines: linesOf(measured), figures: figuresOf(measured) }
  } finally {
    await fleet.stop()
  }
}

function linesOf (measured) {
  const line = (goal, what, contestant, base, atLeast) => speedLine({ goal, what, measured, contestant, base, atLeast })
  return [
    controlLine({ measured, base: FLOOR, twin: 'bare-rs256 again' }),
    line('P3', 'every token new ÷ the bare server with one RS256 check', 'every token new', FLOOR, 0.68),
    ...PEERS.map(({ name, what }) =>
      line('P3', `every token new ÷ ${what}`, 'every token new', name, FEWER_CHECKS.has(name) ? undefined : 1)),
    ...PEERS.map(({ name, what }) => line('', `${what} ÷ the bare server`, name, FLOOR))
  ]
}
