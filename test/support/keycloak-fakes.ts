import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { main } from '../../tools/keycloak/command.ts'

/** A machine of the test's own: the only programs on its PATH are those of the test, shell scripts all of them. */
export interface Machine {
  readonly bin: string
  /** Where the distribution is kept. */
  readonly folder: string
  /** Puts a program there, or a file elsewhere below the machine. */
  program: (name: string, ...script: string[]) => void
  /** What the programs have written into `notes`, a line each. */
  notes: () => string[]
}

const NODE = `"${process.execPath}"`
export function machine (t: Test): Machine {
  const root = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const bin = join(root, 'bin')
  mkdirSync(bin)
  const { PATH, JAVA_HOME } = process.env
  process.env.PATH = bin
  process.env.NOTES = join(root, 'notes')
  delete process.env.JAVA_HOME
  t.teardown(() => {
    process.env.PATH = PATH
    if (JAVA_HOME !== undefined) process.env.JAVA_HOME = JAVA_HOME
    rmSync(root, { recursive: true, force: true })
  })
  return {
    bin,
    folder: join(root, 'kept'),
    program: (name, ...script) => writeFileSync(join(bin, name), `#!/bin/sh\n${script.join('\n')}\n`, { mode: 0o755 }),
    notes: () => existsSync(join(root, 'notes')) ? readFileSync(join(root, 'notes'), 'utf8').trim().split('\n') : []
  }
}

export const JAVA_17 = 'echo \'openjdk version "17.0.15" 2025-04-15\' >&2'

/** A machine with Java and a distribution whose `kc.sh` is this script. */
export function machineWith (t: Test, ...script: string[]): Machine {
  const made = machine(t)
  made.program('java', JAVA_17)
  const home = join(made.folder, 'keycloak-26.7.3', 'bin')
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'kc.sh'), `#!/bin/sh\n${script.join('\n')}\n`, { mode: 0o755 })
  return made
}

/** A script that responds to every request with this status on the port of `--http-port=`, or of `-p` as Docker has it. */
export const respondingWith = (status: number, more = ''): string => `exec ${NODE} -e '
  const port = /(?:http-port=|127.0.0.1:)(\\d+)/.exec(process.argv.join(" "))[1]
  require("node:http").createServer((request, response) => { \
    response.statusCode = ${status}; response.end() ${more} }).listen(port, "localhost")
' -- "$@"`

export interface Run { readonly code: number, readonly out: string, readonly err: string }

interface Terminal { readonly isTTY?: boolean, readonly columns?: number }

/** The command in this process; `endWhen`: asks it to end as soon as it has printed this. */
export async function keycloak (args: readonly string[], endWhen?: string, terminal: Terminal = {}): Promise<Run> {
  const asked = new AbortController()
  const texts = { out: '', err: '' }
  const code = await main(args, {
    ...terminal,
    write: (text) => {
      texts.out += text
      if (endWhen !== undefined && text.includes(endWhen)) asked.abort()
    }
  }, { write: (text) => { texts.err += text } }, asked.signal)
  return { code, ...texts }
}

export function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/^State:\s+Z/m.test(existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, 'utf8') : '')
  } catch {
    return false
  }
}

/** Waits for a condition that another process brings about; fails loudly. */
export async function until (condition: () => boolean): Promise<void> {
  const end = Date.now() + 15_000
  while (!condition()) {
    if (Date.now() > end) throw new Error(`not in time: ${condition.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
