import { ours, peer, PRIVATE, PUBLIC, startFleet, texts } from '../fleet.mjs'
import { mint } from '../issuer.mjs'
import { inTurn, Lane } from '../load.mjs'
import { newHolder, provenRequests, PUBLIC_URL } from '../proofs.mjs'
import { controlLine, figuresOf, playShortVisits, speedLine } from '../rounds.mjs'

const LIVE = 1_000
const HOLDERS = 100
/** Fewer than elsewhere: signature checks make requests wait, and on a busy machine the service would refuse those that waited too long. */
const CONNECTIONS = 8
/** More than any contestant gets through in a second. */
const PROOFS_PER_SECOND = 14_000

const FLOOR = 'bare-es256'
const allowed = { env: { DPOP: 'allowed', PUBLIC_URL } }
const CONTESTANTS = [
  { ...ours('public route', { path: PUBLIC }), sends: 'nothing' },
  { ...ours('public route again', { path: PUBLIC }), sends: 'nothing' },
  { ...ours('public route, tokens sent', { path: PUBLIC }), sends: 'bearerToPublic' },
  { ...ours('bearer, DPOP=off'), sends: 'bearer' },
  { ...ours('bearer, DPOP=allowed', allowed), sends: 'bearer' },
  { ...ours('public route, DPOP=allowed', { path: PUBLIC, ...allowed }), sends: 'nothing' },
  { ...peer(FLOOR, { path: PUBLIC }), sends: 'proofs' },
  { ...peer(FLOOR, { as: 'bare-es256 again', path: PUBLIC }), sends: 'proofs' },
  { ...ours('DPoP, each request a new proof', allowed), sends: 'proofs' }
]

/** What a request with a proof costs, beside one ES256 check and nothing else; and that bearer tokens cost what they did (P1). */
export async function measureDpop ({ key, issuer, rounds, say, awake }) {
  const pool = await mint(key, issuer, LIVE)
  const holders = Array.from({ length: HOLDERS }, () => newHolder(key, issuer))
  const tokens = Array.from({ length: LIVE }, (_, at) => pool.at(at))
  const requests = {
    nothing: inTurn(texts(PUBLIC, [undefined])),
    bearer: inTurn(texts(PRIVATE, tokens)),
    bearerToPublic: inTurn(texts(PUBLIC, tokens))
  }
  // Of this visit, since a proof is valid for a minute.
  const proofs = (ms) => once(provenRequests(holders, PRIVATE, Math.ceil(ms / 1000 * PROOFS_PER_SECOND)))
  const fleet = await startFleet(CONTESTANTS, { issuer, token: pool.at(0) })
  try {
    const measured = await playShortVisits({
      contestants: CONTESTANTS,
      rounds,
      say,
      laneOf: (name) => new Lane(fleet.at(name), { connections: CONNECTIONS, awake }),
      nextOf: ({ sends }, ms) => requests[sends] ?? proofs(ms)
    })
    return { title: 'DPoP: each request a new proof', lines: linesOf(measured), figures: figuresOf(measured) }
  } finally {
    await fleet.stop()
  }
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
    line('P1', '1,000 live bearer tokens ÷ own public route, DPOP=allowed', 'bearer, DPOP=allowed', 'public route, DPOP=allowed', 0.9),
    line(
      '',
      '1,000 live bearer tokens, DPOP=off ÷ own public route when the same tokens are sent there',
      'bearer, DPOP=off',
      'public route, tokens sent'
    ),
    line('', '1,000 live bearer tokens, DPOP=allowed ÷ the same', 'bearer, DPOP=allowed', 'public route, tokens sent'),
    line('', 'the public route, DPOP=allowed ÷ DPOP=off', 'public route, DPOP=allowed', 'public route'),
    line('', '1,000 live bearer tokens, DPOP=allowed ÷ DPOP=off', 'bearer, DPOP=allowed', 'bearer, DPOP=off')
  ]
}
