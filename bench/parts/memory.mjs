import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const SUBJECT = fileURLToPath(new URL('memory-subject.mjs', import.meta.url))
const BOUND_BYTES = 3 * 1024
const SWING = 0.1

/** P6, in a process of its own that can call the collector. */
export async function measureMemory ({ say }) {
  const measured = JSON.parse((await promisify(execFile)(process.execPath, ['--expose-gc', '--max-semi-space-size=16', SUBJECT])).stdout)
  const { perToken, heapMiB, hotHits, hot } = measured
  const swings = ['afterBad', 'afterGood'].map((when) => heapMiB[when] / heapMiB.full)
  say(`memory: ${JSON.stringify(measured)}`)
  return {
    title: 'Memory of the cache',
    lines: [
      ...perToken.map(({ tokenLength, held, estimated }, at) => ({
        goal: 'P6', what: `bytes held for a cached token of ${tokenLength} characters (the cache counts ${estimated})`,
        atMost: at === 0 ? BOUND_BYTES : undefined, count: held, met: at === 0 ? held <= BOUND_BYTES : undefined
      })),
      ...['1 M bad', '1 M bad and 1 M good'].map((what, at) => ({
        goal: 'P6', what: `heap after GC, after ${what} distinct tokens ÷ with the cache just full`, within: SWING,
        count: swings[at], met: Math.abs(swings[at] - 1) <= SWING
      })),
      { goal: 'P6', what: `of ${hot} hot tokens, still cached after them`, atLeast: hot, count: hotHits, met: hotHits === hot }
    ],
    figures: {},
    memory: measured
  }
}
