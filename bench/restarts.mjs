import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { claimsOf, newKey, signerOf, startIssuer } from './issuer.mjs'
import { restartProcesses } from './restarts/processes.mjs'

/**
 * `node bench/restarts.mjs [--times 200] [--processes 200]`: the service started and stopped so often in one process, then as a process of
 * its own that SIGTERM ends. Ends with 1 where something is left: memory, handles, listeners, timers, descriptors, a port, a process.
 */
const { values } = parseArgs({ options: { times: { type: 'string', default: '200' }, processes: { type: 'string', default: '200' } } })
/** Between the two measurements: V8 keeps compiled code and what it has learned of it. */
const MOST_BYTES_PER_START = 10 * 1024

const key = newKey()
const { issuer, close } = await startIssuer(key)
const token = signerOf(key)(claimsOf(issuer))
const failures = [
  ...await inOneProcess(Number(values.times)),
  ...await restartProcesses({ issuer, token, times: Number(values.processes), say })
]
close()
for (const failure of failures) say(`FAILED: ${failure}`)
process.exitCode = failures.length === 0 ? 0 : 1

function say (line) {
  process.stdout.write(`${line}\n`)
}

/** Compares what is held after half of the starts with what is held after all. */
async function inOneProcess (times) {
  const warm = Math.floor(times / 2)
  const child = fork(fileURLToPath(new URL('restarts/in-process.mjs', import.meta.url)), [], { execArgv: ['--expose-gc'] })
  child.send({ issuer, token, times, warm })
  const [[measured]] = await Promise.all([once(child, 'message'), once(child, 'exit')])
  const { first, last } = measured
  const bytesPerStart = Math.round((last.heapBytes - first.heapBytes) / (times - warm))
  say(
    `in one process, after ${warm} and after ${times} starts: ${JSON.stringify(first)} ${JSON.stringify(last)}; ` +
    `${bytesPerStart} bytes for each start`
  )
  const differing =
    ['resources', 'listeners', 'subscribers', 'descriptors'].filter((name) => JSON.stringify(first[name]) !== JSON.stringify(last[name]))
  return [
    ...differing.map((name) => `${name}: ${JSON.stringify(first[name])}, after ${times} starts ${JSON.stringify(last[name])}`),
    ...times >= 100 && bytesPerStart > MOST_BYTES_PER_START ? [`${bytesPerStart} bytes are left by each start`] : []
  ]
}
