// Runs the test files: those that say so in their first line each in a process of its own, the longest first; the others several to a
// process, which loads the service once. Three processes at a time for each core. `tap run` starts each file, and each program that it
// starts, with hooks that record what it loads: half of the time of the tests, and only coverage has a use for them.
//
//   node tools/test/run.mjs [test/x.test.ts …]
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../transpile.mjs'
import { compileTests } from './compile.mjs'
import { deleteKeys, generateKeys } from './rsa-keys.mjs'

/** Most of them wait for what they have started. */
const JOBS = 3 * availableParallelism()
const TIMEOUT_MS = 180_000
/** tap writes its first line when it is loaded. One process of some hundred was seen to hang before, on Node 20; no test has begun then. */
const LOADED_MS = 60_000
const SOME = fileURLToPath(new URL('some.mjs', import.meta.url))
/** The first line of a file that changes what others would see, or is busy for long. */
const ALONE = '// In a process of its own: '
const TOGETHER = 10

/** Those that take longest, by time: started first, they end before the short ones have. */
const LONGEST = [
  'faults/issuer', 'client/deadlines', 'issuer-faults', 'key-fetches', 'restarts', 'tools/keycloak', 'properties', 'plugins/listeners',
  'watch', 'readme',
  'management', 'development', 'faults/process', 'no-keys', 'ports'
].map((name) => `test/${name}.test.ts`)

/** `include` and `exclude` of .taprc, which lists folders and files. */
function testFiles () {
  const [, excluded] = /^exclude:\n((?: {2}- .*\n)+)/m.exec(readFileSync(join(ROOT, '.taprc'), 'utf8'))
  const left = excluded.trim().split('\n').map((line) => line.replace(/^ *- /, '').replace(/\*\*$/, ''))
  const found = readdirSync(join(ROOT, 'test'), { recursive: true }).map((file) => `test/${file.split(sep).join('/')}`)
    .filter((file) => file.endsWith('.test.ts') && !left.some((start) => file.startsWith(start)))
  return found.sort()
}

/** Files by process: those that take longest come first, and single ones last, since they end soon. */
function groupsOf (files) {
  const others = files.filter((file) => !LONGEST.includes(file))
  const isAlone = (file) => readFileSync(join(ROOT, file), 'utf8').startsWith(ALONE)
  const alone = others.filter(isAlone)
  const together = others.filter((file) => !isAlone(file))
  // Dealt out as cards are: those of one folder take equally long.
  const count = Math.ceil(together.length / TOGETHER)
  const groups = Array.from({ length: count }, (_, group) => together.filter((_, at) => at % count === group))
  return [...LONGEST.map((file) => [file]), ...groups, ...alone.map((file) => [file])]
}

/** Runs files of one process to their end: once more where it hangs before the first of them is loaded. */
async function run (files) {
  const first = await runOnce(files)
  if (first.written !== '' || first.seconds * 1000 < LOADED_MS) return first
  process.stdout.write(`started again, since it hung before any test began: ${files.join(' ')}\n`)
  return await runOnce(files)
}

/** Resolves to its exit code or signal, all that it wrote, and the seconds it took. */
function runOnce (files) {
  const started = process.hrtime.bigint()
  const child = spawn(process.execPath, ['--enable-source-maps', SOME, ...files], {
    cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TAP_TIMEOUT: String(TIMEOUT_MS / 1000) }
  })
  let written = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { written += text })
  const timer = setTimeout(() => {
    child.kill('SIGALRM') // tap writes what is still open
    setTimeout(() => child.kill('SIGKILL'), 1_000).unref()
  }, TIMEOUT_MS)
  const loading = setTimeout(() => { if (written === '') child.kill('SIGKILL') }, LOADED_MS)
  return new Promise((resolve) => child.on('close', (code, signal) => {
    clearTimeout(timer)
    clearTimeout(loading)
    resolve({ end: signal ?? code, written, seconds: Number((process.hrtime.bigint() - started) / 1_000_000n) / 1000 })
  }))
}

const NAMES = ['total', 'pass', 'fail', 'todo', 'skip']

/** tap ends with `# { total: 8, pass: 7, fail: 1 }`: a file without this line, or without a test, has failed. */
function counted ({ end, written }) {
  const [, line = ''] = /^# \{ (total: .*) \}$/m.exec(written) ?? []
  const counts = Object.fromEntries(NAMES.map((name) => [name, Number(new RegExp(`${name}: (\\d+)`).exec(line)?.[1] ?? 0)]))
  if (counts.fail === 0 && (end !== 0 || counts.total === 0)) return { ...counts, total: counts.total + 1, fail: 1 }
  return counts
}

const shown = (counts) => NAMES.filter((name) => counts[name] > 0 || name === 'total').map((name) => `${name}: ${counts[name]}`).join(', ')

async function runAll (groups) {
  const sum = Object.fromEntries(NAMES.map((name) => [name, 0]))
  const waiting = [...groups]
  const queue = async () => {
    for (let files = waiting.shift(); files !== undefined; files = waiting.shift()) {
      const result = await run(files)
      const counts = counted(result)
      for (const name of NAMES) sum[name] += counts[name]
      if (counts.fail > 0) process.stdout.write(`${result.written.replace(/^ *ok .*\n/gm, '')}\n`)
      process.stdout.write(
        `${counts.fail > 0 ? `not ok ${files.join(' ')} (${result.end})` : `ok ${files.join(' ')}`} # ${shown(counts)}, ` +
        `${result.seconds.toFixed(1)} s\n`
      )
    }
  }
  await Promise.all(Array.from({ length: JOBS }, queue))
  process.stdout.write(`# { ${shown(sum)} }\n`)
  return sum.fail === 0 && sum.total > 0
}

const wanted = process.argv.slice(2).map((file) => relative(ROOT, join(process.cwd(), file)).split(sep).join('/'))
const compiled = compileTests()
await generateKeys()
if (!await runAll(wanted.length > 0 ? wanted.map((file) => [file]) : groupsOf(testFiles())) || !compiled) process.exitCode = 1
deleteKeys()
