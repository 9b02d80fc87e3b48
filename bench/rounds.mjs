/** How far the base may be from itself before a run is thrown away. */
const CONTROL_LIMIT = 0.1

/**
 * Every round visits every contestant once, in another order. `visit` gives the figures of one visit; what comes back are those
 * of each contestant by name, one entry for each round.
 */
export async function playRounds ({ contestants, rounds, visit, say }) {
  const measured = Object.fromEntries(contestants.map(({ name }) => [name, []]))
  for (let round = 1; round <= rounds; round++) {
    for (const contestant of shuffled(contestants)) {
      try {
        measured[contestant.name].push(await visit(contestant))
      } catch (error) {
        throw new Error(`${contestant.name}: ${error.message}`, { cause: error })
      }
    }
    say(`round ${round} of ${rounds}`, round)
  }
  return measured
}

/** A visit is so short that what else the machine does is the same for the visits beside it. */
const VISIT_MS = 40
const VISITS_IN_ROUND = 20
const WARM_MS = 3_000

/**
 * Every contestant is visited for a moment, again and again, in another order each time; a round is so many visits of each. A processor
 * that is shared with other machines is twice as fast in one second as in the next: what is compared must be side by side.
 * `laneOf` gives the connections to a contestant, `nextOf` what it is sent.
 */
export async function playShortVisits ({ contestants, rounds, laneOf, nextOf, say }) {
  const lanes = new Map(contestants.map(({ name }) => [name, laneOf(name)]))
  try {
    for (const contestant of contestants) await lanes.get(contestant.name).visit(nextOf(contestant, WARM_MS), WARM_MS)
    return await playRounds({
      contestants,
      rounds: rounds * VISITS_IN_ROUND,
      say: (text, round) => { if (round % VISITS_IN_ROUND === 0) say(`round ${round / VISITS_IN_ROUND} of ${rounds}`) },
      visit: (contestant) => lanes.get(contestant.name).visit(nextOf(contestant, VISIT_MS), VISIT_MS)
    })
  } finally {
    for (const lane of lanes.values()) lane.close()
  }
}

/** Milliseconds for which a contestant is sent requests, in so many rounds. */
export function sendingMs (rounds) {
  return WARM_MS + rounds * VISITS_IN_ROUND * VISIT_MS
}

function shuffled (list) {
  const order = [...list]
  for (let at = order.length - 1; at > 0; at--) {
    const other = Math.floor(Math.random() * (at + 1));
    [order[at], order[other]] = [order[other], order[at]]
  }
  return order
}

/** Median and quartiles, interpolated: the rounds are few. */
export function spread (values) {
  const sorted = values.filter((value) => value !== undefined).sort((a, b) => a - b)
  if (sorted.length === 0) return undefined
  const at = (share) => {
    const place = (sorted.length - 1) * share
    const below = sorted[Math.floor(place)]
    return below + (sorted[Math.ceil(place)] - below) * (place % 1)
  }
  return { median: at(0.5), low: at(0.25), high: at(0.75) }
}

/** Contestant ÷ base of the same round. `speed`: turned round for what is better when it is less, so that more than 1 means faster. */
export function ratio (measured, contestant, base, figure, { speed = true } = {}) {
  const pairs = measured[contestant].map((own, at) => [own[figure], measured[base][at][figure]])
  if (pairs.some((pair) => pair.includes(undefined))) return undefined
  return spread(pairs.map(([own, other]) => speed && figure !== 'perSecond' ? other / own : own / other))
}

/** The spread of every figure of every contestant. */
export function figuresOf (measured) {
  return Object.fromEntries(Object.entries(measured).map(([name, visits]) => {
    const figures = Object.keys(visits[0] ?? {})
    return [name, Object.fromEntries(figures.map((figure) => [figure, spread(visits.map((visit) => visit[figure]))]))]
  }))
}

/** One line of the results: what was promised, and the ratio by CPU time and by rate. CPU time decides; where there is none, the rate. */
export function speedLine ({ goal, what, measured, contestant, base, atLeast }) {
  const byCpu = ratio(measured, contestant, base, 'cpuMicros')
  const byRate = ratio(measured, contestant, base, 'perSecond')
  return { goal, what, atLeast, byCpu, byRate, met: atLeast === undefined ? undefined : (byCpu ?? byRate).median >= atLeast }
}

/** The base against itself. A run in which it differs from itself says nothing. */
export function controlLine ({ measured, base, twin, figures = ['cpuMicros', 'perSecond'] }) {
  const [byCpu, byRate] = figures.map((figure) => ratio(measured, twin, base, figure))
  const strayed = [byCpu, byRate].some((one) => one !== undefined && Math.abs(one.median - 1) > CONTROL_LIMIT)
  return { goal: 'A/A', what: `${base}, against itself`, byCpu, byRate, strayed }
}
