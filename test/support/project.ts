import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import { until } from './service.ts'

export interface Started {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly code: Promise<number | null>
  /** The addresses that it prints. */
  readonly api: () => string
  readonly issuer: () => string
}

export interface Project {
  readonly folder: string
  readonly edit: (file: string, change: (text: string) => string) => void
  /** From here on it has the sources too, and all that is built of them. */
  readonly copySources: () => void
  /** Brings what is built up to date with the sources; what it printed. */
  readonly build: () => Promise<string>
  readonly start: (node?: readonly string[], env?: Readonly<Record<string, string>>) => Started
}

/** A checkout of its own, with the service as built: its realm file, catalogue and keys belong to one test. */
export function project (t: Test): Project {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-project-'))
  // What `npm start` runs; all that is built would be ten times as many files.
  const { outputs } = JSON.parse(readFileSync('dist/.bundle.json', 'utf8')) as { outputs: Readonly<Record<string, string>> }
  for (const file of Object.keys(outputs)) cpSync(join('dist', file), join(folder, 'dist', file))
  for (const name of ['keycloak', 'package.json']) cpSync(name, join(folder, name), { recursive: true })
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  const running: { readonly child: ChildProcess, readonly code: Promise<number | null>, readonly end: NodeJS.Signals }[] = []
  t.teardown(async () => {
    for (const { child, code, end } of running) {
      child.kill(end)
      await code
    }
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  return {
    folder,
    copySources () {
      for (const name of ['dist', 'src', 'plugins', 'routes', 'tools', 'tsconfig.json']) {
        cpSync(name, join(folder, name), { recursive: true })
      }
    },
    build: async () => (await promisify(execFile)(process.execPath, ['tools/build.mjs'], { cwd: folder })).stdout,
    edit: (file, change) => writeFileSync(join(folder, file), change(readFileSync(join(folder, file), 'utf8'))),
    start (node = [], env = {}) {
      const child = spawn(process.execPath, [...node, 'dist/src/server.js'], {
        cwd: folder, env: { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', PORT: '0', DEVELOPMENT_ISSUER_PORT: '0', ...env }
      })
      let out = ''
      let err = ''
      child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
      child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
      const code = new Promise<number | null>((done) => child.on('close', done))
      const started: Started = {
        child, code, out: () => out, err: () => err,
        api: () => /^ {2}API +(\S+)$/m.exec(out)?.[1] ?? '', issuer: () => /^ {2}Development issuer +(\S+)$/m.exec(out)?.[1] ?? ''
      }
      // Killed at once, `node --watch` would leave its service running.
      running.push({ child, code, end: node.includes('--watch') ? 'SIGTERM' : 'SIGKILL' })
      return started
    }
  }
}

/** Waits until it has printed its greeting. */
export const up = ({ out }: Started): Promise<void> => until(() => out().includes('Authorization: Bearer'), 30_000)
