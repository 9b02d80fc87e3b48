import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { get } from 'node:http'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'

/** Asked once: a process that is held to one core is told that there is only one. */
const CORES = availableParallelism()
/** The servers' core and the load's, where the operating system can hold a process to one (Linux, two cores or more). */
const PINNED = CORES >= 2 && spawnSync('taskset', ['-V']).status === 0
const SERVER_CORE = '0'
const LOAD_CORE = '1'

export function describeMachine () {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: CORES,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    platform: process.platform,
    pinned: PINNED
  }
}

/** This process to the load's core, all threads of it; servers are started on the other one. What it returns lets it go again. */
export function pinLoad () {
  const hold = (list) => { if (PINNED) spawnSync('taskset', ['-a', '-p', '-c', list, String(process.pid)]) }
  hold(LOAD_CORE)
  return () => hold(`0-${CORES - 1}`)
}

/** A Node process on the servers' core. `stdout` and `stderr` as for spawn. */
export function spawnServer (args, { env, stdout = 'ignore', stderr = 'inherit', cwd }) {
  const command = [process.execPath, ...args]
  if (PINNED) command.unshift('taskset', '-c', SERVER_CORE)
  return spawn(command[0], command.slice(1), {
    cwd, env: { PATH: process.env.PATH, NODE_ENV: 'production', ...env }, stdio: ['ignore', stdout, stderr]
  })
}

/** The status of one GET; undefined when nobody answers. */
export function statusOf (port, path, headers = {}) {
  return new Promise((resolve) => {
    const request = get({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    request.once('error', () => resolve(undefined))
  })
}

/** Resolves when the path answers 200; the milliseconds that it took, asked every `everyMs`. */
export async function until200 (port, path, { headers, everyMs = 20, withinMs = 20_000 } = {}) {
  const start = performance.now()
  for (;;) {
    if (await statusOf(port, path, headers) === 200) return performance.now() - start
    if (performance.now() - start > withinMs) throw new Error(`no 200 from ${path} within ${withinMs} ms`)
    await pause(everyMs)
  }
}

/** CPU time of a process in microseconds, all threads, user and system. Undefined where the operating system does not tell. */
export function cpuMicrosOf (pid) {
  try {
    return threadMicros(pid)
  } catch {
    return statMicros(pid)
  }
}

/** In nanoseconds, one file for each thread. */
function threadMicros (pid) {
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
  }
  if (nanoseconds === 0) throw new Error('not kept by this kernel')
  return nanoseconds / 1000
}

/**
 * Microseconds for which the main thread of a process was ready to run while another process had the core: on one core its own other
 * threads, such as those of the collector, make it wait too. Undefined where the kernel does not tell.
 */
export function waitedMicrosOf (pid) {
  const statOf = (thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ').map(Number)
  try {
    const others = readdirSync(`/proc/${pid}/task`).filter((thread) => thread !== String(pid))
    return (statOf(pid)[1] - others.reduce((sum, thread) => sum + statOf(thread)[0], 0)) / 1000
  } catch {
    return undefined
  }
}

const QUIET_EVERY_MS = 50
const QUIET_TIMES = 6

/** Resolves when nobody but this process has been running for a moment, or after so long. */
export async function untilQuiet (withinMs) {
  const endMs = performance.now() + withinMs
  for (let quiet = 0; quiet < QUIET_TIMES && performance.now() < endMs; await pause(QUIET_EVERY_MS)) {
    quiet = runningNow() <= 1 ? quiet + 1 : 0
  }
}

/** Processes that have a core or want one. */
function runningNow () {
  try {
    return Number(/procs_running (\d+)/.exec(readFileSync('/proc/stat', 'latin1'))[1])
  } catch {
    return 1
  }
}

const TICK_MICROS = 10_000

/** utime + stime of /proc/PID/stat, in ticks of 10 ms. */
function statMicros (pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ')
    return (Number(fields[11]) + Number(fields[12])) * TICK_MICROS
  } catch {
    return undefined
  }
}
