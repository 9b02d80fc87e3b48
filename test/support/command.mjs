import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How long any one program may take: the first build on a slow line. */
const DEADLINE_MS = 900_000
/** Of the output, so much is kept for the sentence that reports a failure. */
const TAIL_CHARACTERS = 2_000

const running = new Set()

/** Runs a program without a shell; resolves with exit code and output, whatever the code is. A program that is not there has code 127. */
export async function run (program, args, { env = {}, cwd, timeoutMs = DEADLINE_MS } = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => { output[stream] += text })
  // Not the option of spawn: its timer goes on where the program could not be started.
  const deadline = setTimeout(() => child.kill(), timeoutMs)
  try {
    const [code, signal] = await once(child, 'close')
    return { code: code ?? 1, ...output, ...signal !== null && { stderr: `${output.stderr}\nended by ${signal}` } }
  } catch (error) {
    return { code: 127, stdout: '', stderr: error.message }
  } finally {
    clearTimeout(deadline)
    running.delete(child)
  }
}

/** Ends the programs that are under way. */
export async function endAll () {
  await Promise.all([...running].map((child) => {
    child.kill()
    return once(child, 'close').catch(() => undefined)
  }))
}

/** Runs a program that must succeed, and gives its standard output without the last line break. */
export async function must (program, args, options) {
  const { code, stdout, stderr } = await run(program, args, options)
  if (code !== 0) {
    throw new Error(
      `${program} ${args.slice(0, 3).join(' ')} … ended with ${code}:\n${(stderr.trim() || stdout.trim()).slice(-TAIL_CHARACTERS)}`
    )
  }
  return stdout.trimEnd()
}

/** Whether a program of this name can be started from PATH. */
export async function isInstalled (program) {
  return (await run(program, ['--version'])).code !== 127
}
