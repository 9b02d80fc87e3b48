const SWING = 0.1
/** A process that has just begun holds less than one that has been through every kind of traffic: below this, growth is no leak. */
const FREE_MB = 4

/** The text of a run, and what failed. */
export function summaryOf ({ minutes, traffic, floods, baseline, last, idle, samples, metrics, code, rotations }) {
  const failures = []
  const lines = [`${minutes} minutes, ${rotations} keys, the service ended with ${code}`]
  const total = (what) => Object.values(traffic[what]).reduce((sum, number) => sum + number, 0)
  lines.push(`requests with one right response: ${total('sent')}; right ${total('right')}, wrong ${total('wrong')}, ` +
    `503 of overload ${total('shed')}, 401 while a key was learned in a flood ${total('learning')}, ` +
    `503 of unknown keys in an outage ${total('unavailable')}`)
  lines.push(`by kind: ${JSON.stringify(traffic.sent)}`)
  lines.push(`floods: ${JSON.stringify(floods)}`)
  for (const name of ['service', 'callers']) {
    const [first, then, after] = [baseline[name].heapMB, last[name].heapMB, idle[name].heapMB]
    lines.push(`${name}: heap after collection ${first} MB at first, ${then} MB at last, ${after} MB idle; ${rssOf(name, samples)}`)
    const most = Math.max(first * (1 + SWING), first + FREE_MB)
    if (then > most || after > most) failures.push(`${name}: the heap has grown from ${first} to ${then} MB, ${after} MB idle`)
    const [early, late] = [peakOf(name, samples, 0.25, 0.5), peakOf(name, samples, 0.75, 1)]
    if (late > early * (1 + SWING)) failures.push(`${name}: RSS has grown from ${early} to ${late} MB`)
  }
  lines.push(
    `resources of the service, idle: ${JSON.stringify(idle.service.resources)}; series ${baseline.series} at first, ${last.series} at last`
  )
  lines.push(...countersOf(metrics))
  if (total('wrong') > 0) failures.push(`wrong responses: ${JSON.stringify(traffic.wrong)} ${JSON.stringify(traffic.examples)}`)
  if (total('sent') === 0 || total('right') + total('wrong') + total('shed') + total('learning') + total('unavailable') !== total('sent')) {
    failures.push('requests without a response')
  }
  if (code !== 0) failures.push(`the service ended with ${code}`)
  return { text: lines.join('\n'), failures }
}

/** The greatest in each quarter of the run. */
function rssOf (name, samples) {
  const peaks = [0, 1, 2, 3].map((quarter) => peakOf(name, samples, quarter / 4, (quarter + 1) / 4))
  const descriptors = samples.map((row) => row[name]?.descriptors ?? 0)
  return `RSS at most ${peaks.join(', ')} MB in the quarters of the run; ` +
    `descriptors ${Math.max(...descriptors)} at most, ${descriptors.at(-1)} at last`
}

function peakOf (name, samples, from, to) {
  const [first, last] = [from, to].map((share) => Math.floor(samples.length * share))
  return Math.max(0, ...samples.slice(first, last).map((row) => row[name]?.rssMB ?? 0))
}

const COUNTERS = /^scopegate_(?:refusals|shed|signature_checks|aborted|token_cache|key_fetch_duration_seconds_count).*$/gm

function countersOf (metrics) {
  const lines = [...metrics.matchAll(COUNTERS)].map(([line]) => line.replace('scopegate_', ''))
  return [`metrics at the end: ${lines.join('; ')}`]
}
