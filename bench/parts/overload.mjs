import { ours, startFleet, texts, PRIVATE } from '../fleet.mjs'
import { nextMessage, startProcess } from '../floods/processes.mjs'
import { claimsOf, signerOf } from '../issuer.mjs'
import { inTurn, load } from '../load.mjs'

const TOKENS = 100
const TIMES_SATURATION = 2
const OVERLOAD_MS = 5_000
const SATURATION = { warmMs: 1_000, timedMs: 2_000 }
/** After the overload: full speed, measured in windows of this length. */
const WINDOW_MS = 400
const WATCHED_MS = 3_000
const FULL_SPEED = 0.9

/**
 * R10: an open loop of good requests at twice the rate that saturates the service; crowd, probes and service are three processes. Once
 * over connections that are there, as clients and gateways keep them, and once by a crowd that connects at once.
 */
export async function measureOverload ({ key, issuer, say }) {
  const signed = signerOf(key)
  const tokens = Array.from({ length: TOKENS }, () => signed(claimsOf(issuer)))
  const lines = []
  for (const connected of [true, false]) {
    const measured = await overloaded({ issuer, tokens, connected })
    say(JSON.stringify(measured))
    lines.push(...linesOf(measured))
  }
  return { title: 'Overload: good requests at twice the rate that saturates the service', lines, figures: {} }
}

async function overloaded ({ issuer, tokens, connected }) {
  const name = 'this service'
  const fleet = await startFleet([ours(name)], { issuer, token: tokens[0] })
  const processes = [startProcess('crowd'), startProcess('probes')]
  const [crowd, probes] = processes
  try {
    const subject = fleet.at(name)
    const next = inTurn(texts(PRIVATE, tokens))
    const perSecondOf = async (times) => (await load({ ...subject, ...times, streams: [{ next }] })).streams[0].perSecond
    const saturation = await perSecondOf(SATURATION)
    probes.send({ port: subject.port })
    crowd.send({ port: subject.port, tokens, perSecond: saturation * TIMES_SATURATION, forMs: OVERLOAD_MS, connected })
    await nextMessage(crowd)
    probes.send('end')
    const [live, result, windows] = await Promise.all([nextMessage(probes), nextMessage(crowd), windowsAfter(perSecondOf)])
    // The machine may be slower now than it was before.
    const full = FULL_SPEED * Math.min(saturation, await perSecondOf(SATURATION))
    const fullSpeedMs = windows.find(({ perSecond }) => perSecond >= full)?.endMs ?? Infinity
    return { connected, saturation, ...result, live, fullSpeedMs }
  } finally {
    for (const child of processes) child.kill('SIGKILL')
    await fleet.stop()
  }
}

/** What is served after the end of the overload; a window with a refusal counts as none. */
async function windowsAfter (perSecondOf) {
  const beganMs = performance.now()
  const windows = []
  while (performance.now() - beganMs < WATCHED_MS) {
    const perSecond = await perSecondOf({ warmMs: 0, timedMs: WINDOW_MS }).catch(() => 0)
    windows.push({ perSecond, endMs: performance.now() - beganMs })
  }
  return windows
}

function linesOf ({ connected, saturation, offeredPerSecond, unsent, statuses, withoutRetryAfter, p99Ms, ownLagMs, live, fullSpeedMs }) {
  const { 200: accepted = 0, 503: refused = 0, ...others } = statuses
  const strange = Object.values(others).reduce((sum, count) => sum + count, 0)
  const whose = connected ? 'connections that are kept' : 'all connect at once'
  const line = (what, count, atMost) =>
    ({ goal: 'R10', what: `${whose}: ${what}`, count, atMost, met: atMost === undefined ? undefined : count <= atMost })
  const times = (offeredPerSecond / saturation).toFixed(1)
  return [
    line(`responses that are neither 200 nor 503 with Retry-After (${accepted} × 200 and ${refused} × 503 at ${times} × saturation; ` +
      `${unsent} not sent: all connections were waiting)`, strange + withoutRetryAfter, 0),
    line('p99 of the accepted, ms', Math.round(p99Ms), 250),
    line('longest time in which the crowd itself did nothing, ms', Math.round(ownLagMs)),
    line(`p99 of ${live.probes} live probes, ms`, Math.round(live.p99Ms), 100),
    line('from the end until full speed, ms', Math.round(fullSpeedMs), 2_000)
  ]
}
