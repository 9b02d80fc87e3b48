/**
 * Where the time of the hot and of the cold path goes: the service under `--cpu-prof`. Prints tables; with --readme into
 * bench/README.md.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ours, PRIVATE, startFleet, texts } from './fleet.mjs'
import { mint, newKey, startIssuer } from './issuer.mjs'
import { eachOnce, inTurn, load } from './load.mjs'
import { filledIn, table } from './report.mjs'

const WARM_MS = 2_000
const TIMED_MS = 4_000
const LIVE = 1_000
const COLD_PER_SECOND = 16_000
const TOP = 14
const README = new URL('README.md', import.meta.url)

/** From the place of a function to the part of the work that it belongs to; the first that fits. */
const GROUPS = [
  ['this service, reader', /src\/oauth\/(?:access-token|strict-json)/],
  [
    'this service, cache and verification',
    /src\/oauth\/(?:token-cache|token-index|entry-list|held-bytes|verification|fair-lines|known-callers|trusted-issuers|proof|keyring|principal|credentials)/
  ],
  ['this service, plugins and the rest', /^\/(?:src|plugins|routes)\//],
  ['@fastify/jwt and fast-jwt', /node_modules\/(?:@fastify\/jwt|fast-jwt|@lukeed|mnemonist|safe-regex2|asn1|ecdsa)/],
  ['pino', /node_modules\/(?:pino|sonic-boom|thread-stream|fast-redact|@pinojs|safe-stable)/],
  [
    'Fastify',
    /node_modules\/(?:fastify|find-my-way|avvio|fast-json|light-my|reusify|secure-json|rfdc|toad-cache|process-warning|@fastify)/
  ],
  ['Node: crypto', /^node:(?:crypto|internal\/crypto)/],
  ['Node: HTTP, sockets, streams, buffers', /^node:/]
]
const BY_NAME = {
  '(garbage collector)': 'garbage collector',
  '(program)': 'native code outside of JavaScript',
  writev: 'the kernel: socket writes',
  writeString: 'the kernel: log blocks and other writes',
  base64Write: 'base64',
  base64urlWrite: 'base64',
  base64urlSlice: 'base64',
  base64Slice: 'base64'
}

async function profile (contestant, { issuer, token, next }) {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-profile-'))
  const fleet = await startFleet(
    [{ ...contestant, args: ['--cpu-prof', '--cpu-prof-interval=200', `--cpu-prof-dir=${folder}`, ...contestant.args] }],
    { issuer, token }
  )
  try {
    const { pid, port, child } = fleet.at(contestant.name)
    await load({ pid, port, streams: [{ next }], warmMs: WARM_MS, timedMs: TIMED_MS })
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGINT')
    await gone
    const [file] = readdirSync(folder)
    if (file === undefined) throw new Error(`${contestant.name} ended without writing its profile`)
    return selfTimes(JSON.parse(readFileSync(join(folder, file), 'utf8')))
  } finally {
    await fleet.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Microseconds by function, of the timed part alone: the last TIMED_MS before the process had nothing to do any more. */
function selfTimes ({ nodes, samples, timeDeltas, startTime }) {
  const byId = new Map(nodes.map((node) => [node.id, node.callFrame]))
  const moments = []
  timeDeltas.reduce((at, delta) => { moments.push(at + delta); return at + delta }, startTime)
  const last = moments[samples.findLastIndex((id) => !['(idle)', '(root)', '(program)'].includes(byId.get(id).functionName))]
  const times = new Map()
  samples.forEach((id, at) => {
    if (moments[at] < last - TIMED_MS * 1000 || moments[at] > last) return
    const frame = byId.get(id)
    const { functionName } = frame
    if (functionName === '(idle)') return
    const place = `${functionName === '' ? 'anonymous' : functionName}|${sourceOf(frame)}`
    times.set(place, (times.get(place) ?? 0) + timeDeltas[at])
  })
  return times
}

const maps = new Map()

/** The service is bundled: its source is found by the map. */
function sourceOf ({ url, lineNumber, columnNumber }) {
  const at = url.lastIndexOf('/node_modules/')
  if (at >= 0) return url.slice(at + 1)
  const entry = mapOf(url)?.findEntry(lineNumber, columnNumber)
  return entry?.originalSource?.replace(/^(?:\.\.\/)+/, '') ?? url.replace(/^file:.*\//, '')
}

function mapOf (url) {
  if (!maps.has(url)) {
    const file = url.startsWith('file:') ? `${fileURLToPath(url)}.map` : ''
    maps.set(url, existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined)
  }
  return maps.get(url)
}

function groupOf (place) {
  const [name, url] = place.split('|')
  if (name.startsWith('RegExp: ')) return 'regular expressions'
  if (Object.hasOwn(BY_NAME, name)) return BY_NAME[name]
  return GROUPS.find(([, pattern]) => pattern.test(url.startsWith('node') ? url : `/${url}`))?.[0] ?? 'other built-in functions'
}

function tablesOf (title, times) {
  const total = [...times.values()].reduce((sum, micros) => sum + micros, 0)
  const share = (micros) => `${(micros / total * 100).toFixed(1)} %`
  const groups = new Map()
  for (const [place, micros] of times) groups.set(groupOf(place), (groups.get(groupOf(place)) ?? 0) + micros)
  const sorted = (map) => [...map].sort(([, a], [, b]) => b - a)
  const functions = sorted(times).filter(([place]) => !place.startsWith('(')).slice(0, TOP)
  return [
    `### ${title}`,
    table(['part', 'share of busy time'], sorted(groups).map(([name, micros]) => [name, share(micros)])),
    table(['function', 'self time'], functions.map(([place, micros]) => [`\`${place.replace('|', '` ')}`, share(micros)]))
  ].join('\n\n')
}

const key = newKey()
const { issuer, close } = await startIssuer(key)
try {
  const pool = await mint(key, issuer, Math.ceil((WARM_MS + TIMED_MS) / 1000 * COLD_PER_SECOND) + LIVE)
  const live = Array.from({ length: LIVE }, (_, at) => pool.at(pool.count - 1 - at))
  const hot = inTurn(texts(PRIVATE, live))
  const info = { log: 'info' }
  const tables = [
    tablesOf('Hot, 1,000 live tokens, log at info', await profile(ours('hot', info), { issuer, token: live[0], next: hot })),
    tablesOf(
      'Cold, every token new, log at info',
      await profile(ours('cold', info), { issuer, token: live[0], next: eachOnce(pool, PRIVATE) })
    )
  ]
  process.stdout.write(`${tables.join('\n\n')}\n`)
  if (process.argv.includes('--readme')) writeFileSync(README, filledIn(readFileSync(README, 'utf8'), 'profile', tables.join('\n\n')))
} finally {
  close()
}
