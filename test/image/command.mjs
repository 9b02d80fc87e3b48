import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** How long any one program may take: the first build on a slow line. */
const DEADLINE_MS = 900_000
/** Of the output, so much is kept for the sentence that reports a failure. */
const TAIL_CHARACTERS = 2_000

/** Runs a program without a shell; resolves with exit code and output, whatever the code is. A program that is not there has code 127. */
export async function run (program, args, { env = {}, timeoutMs = DEADLINE_MS, onOutput } = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) {
    child[stream].setEncoding('utf8').on('data', (text) => {
      if (stream === 'stdout' && onOutput !== undefined) onOutput(text)
      else output[stream] += text
    })
  }
  const [code, signal] = await once(child, 'close').catch((error) => {
    output.stderr += error.message
    return [127, null]
  })
  return { code: code ?? 1, ...output, ...signal !== null && { stderr: `${output.stderr}\nended by ${signal}` } }
}

/** Runs a program that must succeed, and gives its standard output without the last line break. */
export async function must (program, args, options) {
  const { code, stdout, stderr } = await run(program, args, options)
  if (code !== 0) throw new Error(`${program} ${args.slice(0, 3).join(' ')} … ended with ${code}:\n${(stderr.trim() || stdout.trim()).slice(-TAIL_CHARACTERS)}`)
  return stdout.trimEnd()
}

/** Whether a program of this name can be started from PATH. */
export async function isInstalled (program) {
  return (await run(program, ['--version'])).code !== 127
}
