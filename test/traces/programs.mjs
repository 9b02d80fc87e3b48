import { spawn } from 'node:child_process'
import { once } from 'node:events'

const running = new Set()

/** A program that runs until the end of the test. */
export class Program {
  output = ''

  constructor (program, args, env, cwd) {
    const child = spawn(program, args, { cwd, env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env } })
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { this.output += text })
    running.add(child)
    child.on('exit', () => running.delete(child))
  }

  static async endAll () {
    await Promise.all([...running].map((child) => {
      child.kill('SIGKILL')
      return once(child, 'exit')
    }))
  }
}
