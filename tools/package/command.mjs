import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** npm and npx are scripts on Windows, which only a shell can start. */
export function program (name) {
  return process.platform === 'win32' ? `${name}.cmd` : name
}

/** Runs a program that must succeed; resolves to its standard output. Rejects with the end of what it printed. */
export async function start (name, args, options = {}) {
  const child = spawn(name, args, { stdio: ['ignore', 'pipe', 'pipe'], shell: name.endsWith('.cmd'), ...options })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr']) child[stream].setEncoding('utf8').on('data', (text) => { output[stream] += text })
  const [code] = await once(child, 'close')
  if (code === 0) return output.stdout
  throw new Error(`${name} ${args.slice(0, 4).join(' ')} ended with ${code}:\n${`${output.stdout}\n${output.stderr}`.trim().slice(-2_000)}`)
}
