import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'

export interface ServerProcess {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly code: Promise<number | null>
}

export interface ServerProcessOptions {
  /** Content of `.env` in the folder of the process. */
  readonly file?: string | Buffer
  /** Options of Node itself. */
  readonly node?: readonly string[]
}

/** The server as built, as a process of its own, in an empty folder, with nothing in its environment but what the test gives. */
export function serve (t: Test, env: Readonly<Record<string, string>>, { file, node = [] }: ServerProcessOptions = {}): ServerProcess {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  if (file !== undefined) writeFileSync(join(folder, '.env'), file)
  const child = spawn(
    process.execPath,
    [...node, resolve('dist/src/server.js')],
    { cwd: folder, env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...env } }
  )
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  const code = new Promise<number | null>((done) => child.on('close', done))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await code
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  return { child, out: () => out, err: () => err, code }
}
