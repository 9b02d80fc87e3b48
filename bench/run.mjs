import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { SERVICE } from './fleet.mjs'
import { newKey, startIssuer } from './issuer.mjs'
import { describeMachine } from './machine.mjs'
import { countAfterBadTokens } from './parts/bad-tokens.mjs'
import { measureCold } from './parts/cold.mjs'
import { measureFlood } from './parts/flood.mjs'
import { measureHot } from './parts/hot.mjs'
import { measureMemory } from './parts/memory.mjs'
import { measureStart } from './parts/start.mjs'
import { filledIn, tablesOf } from './report.mjs'

const PARTS = { hot: measureHot, cold: measureCold, flood: measureFlood, bad: countAfterBadTokens, memory: measureMemory, start: measureStart }
const RESULTS = new URL('results.json', import.meta.url)
const README = new URL('README.md', import.meta.url)

const USAGE = `node bench/run.mjs [--parts ${Object.keys(PARTS).join(',')}] [--rounds 6] [--readme]
  --readme  puts the tables into bench/README.md; results.json is written by a run of all parts only`

function optionsOf (args) {
  const { values } = parseArgs({ args, options: { parts: { type: 'string' }, rounds: { type: 'string', default: '6' }, readme: { type: 'boolean', default: false } } })
  const parts = (values.parts ?? Object.keys(PARTS).join(',')).split(',')
  const rounds = Number(values.rounds)
  const unknown = parts.filter((part) => !Object.hasOwn(PARTS, part))
  if (unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) throw new Error(`unknown part or number of rounds\n${USAGE}`)
  return { parts, rounds, readme: values.readme, all: values.parts === undefined }
}

async function run ({ parts, rounds, readme, all }) {
  if (!existsSync(SERVICE)) throw new Error('dist/ is missing: npm run build:fast')
  if (!existsSync(new URL('peers/node_modules', import.meta.url))) throw new Error('the peers are not installed: npm ci --prefix bench/peers')
  const key = newKey()
  const { issuer, close } = await startIssuer(key)
  const say = (text) => process.stderr.write(`${text}\n`)
  const results = { machine: describeMachine(), rounds, parts: [] }
  try {
    for (const part of parts) {
      say(`\n${part}`)
      results.parts.push(await PARTS[part]({ key, issuer, rounds, say, times: { warmMs: 1_000, timedMs: 2_000 } }))
    }
  } finally {
    close()
  }
  const tables = tablesOf(results)
  process.stdout.write(`${tables}\n`)
  const strayed = results.parts.flatMap(({ lines }) => lines).filter((line) => line.strayed === true)
  if (strayed.length > 0) throw new Error(`discarded: ${strayed.map(({ what }) => what).join('; ')} left 1 ± 0.1. The machine is too busy; run it again when it is quiet.`)
  if (all) writeFileSync(RESULTS, `${JSON.stringify(results, undefined, 2)}\n`)
  if (readme) writeFileSync(README, filledIn(readFileSync(README, 'utf8'), 'results', tables))
}

try {
  await run(optionsOf(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exitCode = 1
}
