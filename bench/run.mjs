import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SERVICE } from './fleet.mjs'
import { newKey, startIssuer } from './issuer.mjs'
import { describeMachine } from './machine.mjs'
import { countAfterBadTokens } from './parts/bad-tokens.mjs'
import { measureClientCall } from './parts/client-call.mjs'
import { measureCold } from './parts/cold.mjs'
import { measureDpop } from './parts/dpop.mjs'
import { measureFlood } from './parts/flood.mjs'
import { measureFloods } from './parts/floods.mjs'
import { measureHot } from './parts/hot.mjs'
import { measureMemory } from './parts/memory.mjs'
import { measureOverload } from './parts/overload.mjs'
import { measureStart } from './parts/start.mjs'
import { measureTraces } from './parts/traces.mjs'
import { filledIn, tablesOf } from './report.mjs'

/** The same part with a load that sleeps while it waits. */
const asleep = (measure) => async (means) => {
  const measured = await measure({ ...means, awake: false })
  return { ...measured, title: `${measured.title} (a load that sleeps)` }
}

const PARTS = {
  hot: measureHot,
  'hot-asleep': asleep(measureHot),
  cold: measureCold,
  'cold-asleep': asleep(measureCold),
  dpop: measureDpop,
  'dpop-asleep': asleep(measureDpop),
  flood: measureFlood,
  floods: measureFloods,
  overload: measureOverload,
  bad: countAfterBadTokens,
  memory: measureMemory,
  start: measureStart,
  traces: measureTraces,
  client: measureClientCall
}
/** What needs no peers. */
const ALONE = new Set(['floods', 'overload', 'dpop', 'dpop-asleep', 'memory', 'traces', 'client'])
const RESULTS = new URL('results.json', import.meta.url)
const README = new URL('README.md', import.meta.url)

const USAGE = `node bench/run.mjs [--parts ${Object.keys(PARTS).join(',')}] [--rounds 6] [--readme]
  results.json keeps the latest good run of every part; --readme puts its tables into bench/README.md`

function optionsOf (args) {
  const { values } = parseArgs({
    args, options: { parts: { type: 'string' }, rounds: { type: 'string', default: '6' }, readme: { type: 'boolean', default: false } }
  })
  const parts = (values.parts ?? Object.keys(PARTS).join(',')).split(',')
  const rounds = Number(values.rounds)
  const unknown = parts.filter((part) => !Object.hasOwn(PARTS, part))
  if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) throw new Error(`unknown part or number of rounds\n${USAGE}`)
  return { parts, rounds, readme: values.readme }
}

async function run ({ parts, rounds, readme }) {
  if (!existsSync(SERVICE)) throw new Error('dist/ is missing: npm run build:fast')
  if (parts.some((part) => !ALONE.has(part)) && !existsSync(new URL('peers/node_modules', import.meta.url))) {
    throw new Error('the peers are not installed: npm ci --prefix bench/peers')
  }
  const key = newKey()
  const { issuer, close } = await startIssuer(key)
  const say = (text) => process.stderr.write(`${text}\n`)
  const strayed = []
  try {
    for (const part of parts) {
      say(`\n${part}`)
      const measured = await PARTS[part]({ key, issuer, rounds, say, times: { warmMs: 1_000, timedMs: 2_000 } })
      process.stdout.write(`\n${tablesOf([measured])}\n`)
      const control = measured.lines.find((line) => line.strayed === true)
      if (control === undefined) keep(part, { machine: describeMachine(), rounds, ...measured })
      else strayed.push(`${part} (${control.what})`)
    }
  } finally {
    close()
  }
  if (readme) writeFileSync(README, filledIn(readFileSync(README, 'utf8'), 'results', tablesOf(Object.values(kept()))))
  if (strayed.length > 0) {
    throw new Error(
      `discarded, since the base differs from itself by more than a tenth: ${strayed.join(', ')}. ` +
      'The machine is too busy; measure again when it is quiet.'
    )
  }
}

/** The results so far, in the order of the parts. */
function kept () {
  const results = existsSync(RESULTS) ? JSON.parse(readFileSync(RESULTS, 'utf8')) : {}
  return Object.fromEntries(Object.keys(PARTS).flatMap((part) => results[part] === undefined ? [] : [[part, results[part]]]))
}

function keep (part, measured) {
  writeFileSync(RESULTS, `${JSON.stringify({ ...kept(), [part]: measured }, undefined, 2)}\n`)
}

try {
  await run(optionsOf(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = 1
}
