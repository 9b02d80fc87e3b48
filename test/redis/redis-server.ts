import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { freePort } from '../support/free-port.ts'

/** A real redis-server (Debian: apt-get install redis-server), that keeps its port over a restart and nothing else. */
export class RedisServer {
  readonly url: string
  readonly #port: number
  #child: ChildProcess | undefined

  private constructor (port: number) {
    this.#port = port
    this.url = `redis://127.0.0.1:${port}/0`
  }

  static async start (): Promise<RedisServer> {
    const server = new RedisServer(await freePort())
    await server.restart()
    return server
  }

  async restart (): Promise<void> {
    const args = ['--port', String(this.#port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']
    const child = this.#child = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'inherit'] })
    for await (const chunk of child.stdout) if (String(chunk).includes('Ready to accept connections')) break
    child.stdout.resume()
  }

  /** `SIGSTOP`: connections stay open, and no command gets a response until `SIGCONT`. */
  signal (name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child?.kill(name)
  }

  async kill (): Promise<void> {
    const child = this.#child
    if (child === undefined) return
    this.#child = undefined
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
}
