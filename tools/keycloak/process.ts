import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { readEnvironment } from '../../src/config.ts'

/** How another program ended. `missing`: there is no such program. */
export interface Ending {
  readonly code: number | null
  readonly missing: boolean
  /** Its last lines, from both streams. */
  readonly lines: readonly string[]
}

export interface LaunchOptions {
  /** On top of that of this process. */
  readonly environment?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
  /** How long it may take to end when asked to, before it is ended by force. */
  readonly graceMs?: number
  /** Ends the program and all that it started. */
  readonly signal?: AbortSignal | undefined
}

/** A running program with all its descendants. */
export interface Running {
  readonly ended: Promise<Ending>
  readonly lines: readonly string[]
  /** Ends it: asked first, then by force. Nothing of it is left when this resolves; any number of calls. */
  readonly stop: () => Promise<void>
}

const WINDOWS = process.platform === 'win32'
const LINES_KEPT = 60
const GRACE_MS = 10_000
/** What is still in the pipes when the program is gone. */
const LAST_LINES_MS = 200

/**
 * A shell that becomes the program, and leaves a reader behind in the same process group: standard input ends when this
 * process is gone, in whatever way, and then the reader ends the group. `sh` gives what runs beside it no standard input.
 */
const GUARD =
  'exec 3<&0; { trap "" TERM; read -r word <&3; kill -TERM "-$$"; sleep 5; kill -KILL "-$$"; } > /dev/null 2>&1 & exec "$0" "$@" ' +
  '3<&- < /dev/null'

/**
 * Starts a program in a process group of its own, so that it ends with everything it has started, and a Ctrl-C on the
 * terminal reaches this process only. It ends with this process, even if that is ended by force (but on Windows).
 */
export function launch (command: string, args: readonly string[], options: LaunchOptions = {}): Running {
  const { environment, graceMs = GRACE_MS, onLine, signal } = options
  const [file, words] = WINDOWS ? [[command, ...args].map(quoted).join(' '), []] : ['/bin/sh', ['-c', GUARD, command, ...args]]
  const env = environment && { ...readEnvironment(), ...environment }
  const child = spawn(file, words, { detached: !WINDOWS, shell: WINDOWS, ...env && { env } })
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line)
      if (lines.length > LINES_KEPT) lines.shift()
      onLine?.(line)
    })
  }
  const ended = endingOf(child, lines)
  const killAtExit = (): void => killAll(child)
  process.once('exit', killAtExit)
  void ended.then(() => {
    process.removeListener('exit', killAtExit)
    killAll(child)
  })
  const stop = (): Promise<void> => end(child, ended, graceMs)
  signal?.addEventListener('abort', () => void stop(), { once: true })
  return { ended, lines, stop }
}

/** Runs a program to its end; after `timeoutMs` it is ended. Rejects with the signal's reason when that says so. */
export async function run (
  command: string, args: readonly string[], options: LaunchOptions & { readonly timeoutMs?: number } = {}
): Promise<Ending> {
  options.signal?.throwIfAborted()
  const running = launch(command, args, options)
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => void running.stop(), options.timeoutMs)
  const ending = await running.ended
  clearTimeout(timer)
  options.signal?.throwIfAborted()
  return ending
}

/** On Windows `.bat` and `.cmd` files run in a shell only, which splits at spaces. */
function quoted (word: string): string {
  return /\s/.test(word) ? `"${word}"` : word
}

function endingOf (child: ChildProcess, lines: readonly string[]): Promise<Ending> {
  return new Promise((resolve) => {
    const done = (code: number | null): void => resolve({ code, missing: isMissing(code, lines), lines })
    child.once('error', ({ message }) => resolve({ code: null, missing: false, lines: [...lines, message] }))
    child.once('close', done)
    // A descendant may hold the pipes open for longer.
    child.once('exit', (code) => setTimeout(done, LAST_LINES_MS, code))
  })
}

/** As the shells say it: exit code 127; cmd.exe has words for it. */
function isMissing (code: number | null, lines: readonly string[]): boolean {
  return WINDOWS ? code !== 0 && lines.some((line) => line.includes('is not recognized')) : code === 127
}

async function end (child: ChildProcess, ended: Promise<Ending>, graceMs: number): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) signalAll(child, 'SIGTERM')
  const force = setTimeout(() => killAll(child), graceMs)
  await ended
  clearTimeout(force)
}

function killAll (child: ChildProcess): void {
  signalAll(child, 'SIGKILL')
}

function signalAll ({ pid, exitCode, signalCode }: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return
  if (WINDOWS) {
    if (exitCode !== null || signalCode !== null) return
    spawn('taskkill', ['/pid', String(pid), '/t', '/f'], { stdio: 'ignore' }).on('error', () => undefined)
    return
  }
  try {
    process.kill(-pid, signal)
  } catch {
    // Nothing of it is left.
  }
}
