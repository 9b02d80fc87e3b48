import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

/** How another program ended. `missing`: there is no such program. */
export interface Ending {
  readonly code: number | null
  readonly missing: boolean
  /** Its last lines, from both streams. */
  readonly lines: readonly string[]
}

export interface LaunchOptions {
  readonly environment?: Readonly<Record<string, string>>
  readonly onLine?: (line: string) => void
  /** It ends too when this process is ended by force (not on Windows). */
  readonly guarded?: boolean
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
 * Starts a program in a process group of its own, so that it ends with everything it has started, and a Ctrl-C on the
 * terminal reaches this process only. It does not outlive this process.
 */
export function launch (command: string, args: readonly string[], options: LaunchOptions = {}): Running {
  const { environment = {}, guarded = false, graceMs = GRACE_MS, onLine, signal } = options
  const guard = guarded && !WINDOWS ? startGuard() : undefined
  const child = spawn(inShell(command), args.map(inShell), {
    detached: !WINDOWS, shell: WINDOWS, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment }
  })
  guard?.watch(child.pid)
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
    guard?.dismiss()
  })
  const stop = (): Promise<void> => end(child, ended, graceMs)
  signal?.addEventListener('abort', () => void stop(), { once: true })
  return { ended, lines, stop }
}

/** Runs a program to its end; after `timeoutMs` it is ended. Rejects with the signal's reason when that says so. */
export async function run (command: string, args: readonly string[], options: LaunchOptions & { readonly timeoutMs?: number } = {}): Promise<Ending> {
  options.signal?.throwIfAborted()
  const running = launch(command, args, options)
  const timer = options.timeoutMs === undefined ? undefined : setTimeout(() => void running.stop(), options.timeoutMs)
  const ending = await running.ended
  clearTimeout(timer)
  options.signal?.throwIfAborted()
  return ending
}

/** `.bat` and `.cmd` files run in a shell only, which takes blanks apart. */
function inShell (word: string): string {
  return WINDOWS && /\s/.test(word) ? `"${word}"` : word
}

function endingOf (child: ChildProcess, lines: readonly string[]): Promise<Ending> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve({ code: null, missing: (error as NodeJS.ErrnoException).code === 'ENOENT', lines: [...lines, error.message] })
    })
    child.once('close', (code) => resolve({ code, missing: isMissingInShell(code, lines), lines }))
    // A descendant may hold the pipes open for longer.
    child.once('exit', (code) => setTimeout(() => resolve({ code, missing: isMissingInShell(code, lines), lines }), LAST_LINES_MS))
  })
}

/** cmd.exe has its own word for it: exit code 1 or 9009. */
function isMissingInShell (code: number | null, lines: readonly string[]): boolean {
  return WINDOWS && code !== 0 && lines.some((line) => line.includes('is not recognized'))
}

interface Guard {
  readonly watch: (pid: number | undefined) => void
  readonly dismiss: () => void
}

/**
 * A shell that waits for two words: the program's process id, and the news that it has ended. The end of the pipe without the
 * second means that this process is gone, in whatever way, and then the shell ends the program.
 */
function startGuard (): Guard {
  const script = 'read -r pid && { read -r word || { kill -TERM "-$pid"; sleep 5; kill -KILL "-$pid"; }; }'
  const shell = spawn('/bin/sh', ['-c', script], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
  shell.on('error', () => undefined)
  shell.stdin.on('error', () => undefined)
  shell.unref()
  return {
    watch: (pid) => pid === undefined ? shell.stdin.end() : shell.stdin.write(`${pid}\n`),
    dismiss: () => shell.stdin.end('ended\n')
  }
}

async function end (child: ChildProcess, ended: Promise<Ending>, graceMs: number): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) signalAll(child, 'SIGTERM')
  const force = setTimeout(() => killAll(child), graceMs)
  await ended
  clearTimeout(force)
  killAll(child)
}

function killAll (child: ChildProcess): void {
  signalAll(child, 'SIGKILL')
}

function signalAll ({ pid }: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return
  if (WINDOWS) {
    spawn('taskkill', ['/pid', String(pid), '/t', '/f'], { stdio: 'ignore' }).on('error', () => undefined)
    return
  }
  try {
    process.kill(-pid, signal)
  } catch {
    // Nothing of it is left.
  }
}
