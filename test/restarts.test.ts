// In a process of its own: it counts what is left of a service.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'

/**
 * bench/restarts.mjs compares what is held after half of the starts and after all, and ends with 1 where that differs. Memory it
 * compares after 100 starts only.
 */
t.test('start and stop, 12 times in one process and 4 times as a process: ' +
  'no handle, listener, descriptor, port or process is left', async (t) => {
  // Rejects where the exit code is not 0.
  const { stdout } = await promisify(execFile)(process.execPath, ['bench/restarts.mjs', '--times', '12', '--processes', '4'])
  t.match(stdout, /^in one process, after 6 and after 12 starts: .*"subscribers":0.*"subscribers":0/m)
  t.match(stdout, /^4 processes in 4 lanes, \d+ s: 0 failures, 0 processes left$/m)
})
