import { ours, peer, PRIVATE, PUBLIC, startFleet, texts, visit } from '../fleet.mjs'
import { mint } from '../issuer.mjs'
import { inTurn } from '../load.mjs'
import { newHolder, provenRequests, PUBLIC_URL } from '../proofs.mjs'
import { controlLine, figuresOf, playRounds, speedLine } from '../rounds.mjs'

const LIVE = 1_000
const HOLDERS = 100
/** Fewer than elsewhere: signature checks make requests wait, and on a busy machine the service would refuse those that waited too long. */
const CONNECTIONS = 8
/** More than any contestant gets through in a second. */
const PROOFS_PER_SECOND = 12_000

const FLOOR = 'bare-es256'
const allowed = { env: { DPOP: 'allowed', PUBLIC_URL } }
const CONTESTANTS = [
  { ...ours('public route', { path: PUBLIC }), sends: 'nothing' },
  { ...ours('public route again', { path: PUBLIC }), sends: 'nothing' },
  { ...ours('bearer, DPOP=off'), sends: 'bearer' },
  { ...ours('bearer, DPOP=allowed', allowed), sends: 'bearer' },
  { ...peer(FLOOR, { path: PUBLIC }), sends: 'proofs' },
  { ...peer(FLOOR, { as: 'bare-es256 again', path: PUBLIC }), sends: 'proofs' },
  { ...ours('DPoP, each request a new proof', allowed), sends: 'proofs' }
]

/**
 * What a request with a proof costs, beside one ES256 check and nothing else; and that bearer tokens cost what they did (P1). New processes
 * in each round: V8 compiles the same code in more than one way, and a process keeps its way.
 */
export async function measureDpop ({ key, issuer, rounds, say, times }) {
  const pool = await mint(key, issuer, LIVE)
  const live = texts(PRIVATE, Array.from({ length: LIVE }, (_, at) => pool.at(at)))
  const holders = Array.from({ length: HOLDERS }, () => newHolder(key, issuer))
  const proofs = Math.ceil((times.warmMs + times.timedMs) / 1000 * PROOFS_PER_SECOND)
  const requests = {
    nothing: () => inTurn(texts(PUBLIC, [undefined])),
    bearer: () => inTurn(live),
    // Of this visit, since a proof is valid for a minute.
    proofs: () => once(provenRequests(holders, PRIVATE, proofs))
  }
  const measured = Object.fromEntries(CONTESTANTS.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    const fleet = await startFleet(CONTESTANTS, { issuer, token: pool.at(0) })
    try {
      const visits = await playRounds({
        contestants: CONTESTANTS,
        rounds: 1,
        say: () => say(`round ${round} of ${rounds}`),
        visit: ({ name, sends }) => visit(fleet.at(name), requests[sends](), { ...times, connections: CONNECTIONS })
      })
      for (const [name, visited] of Object.entries(visits)) measured[name].push(...visited)
    } finally {
      await fleet.stop()
    }
  }
  return { title: 'DPoP: each request a new proof', lines: linesOf(measured), figures: figuresOf(measured) }
}

function once (list) {
  let at = 0
  return () => {
    if (at === list.length) throw new Error(`the ${list.length} proofs of this visit are used up: a used one would be a replay`)
    return list[at++]
  }
}

function linesOf (measured) {
  const line = (goal, what, contestant, base, atLeast) => speedLine({ goal, what, measured, contestant, base, atLeast })
  return [
    controlLine({ measured, base: FLOOR, twin: 'bare-es256 again' }),
    controlLine({ measured, base: 'public route', twin: 'public route again' }),
    line('', 'a request with a DPoP proof ÷ the bare server with one ES256 check', 'DPoP, each request a new proof', FLOOR),
    line('P1', '1,000 live bearer tokens ÷ own public route, DPOP=off', 'bearer, DPOP=off', 'public route', 0.9),
    line('P1', '1,000 live bearer tokens ÷ own public route, DPOP=allowed', 'bearer, DPOP=allowed', 'public route', 0.9),
    line('', '1,000 live bearer tokens, DPOP=allowed ÷ DPOP=off', 'bearer, DPOP=allowed', 'bearer, DPOP=off')
  ]
}
