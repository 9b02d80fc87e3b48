import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'

export interface Wire {
  readonly url: string
  readonly port: number
  readonly server: Server
  /** Connections that are open now, and how many there have been. */
  readonly open: () => Promise<number>
  accepted: number
}

/** A server on a free loopback port that counts its connections; ends with the test. */
export async function listenOn (t: Test, handle: RequestListener): Promise<Wire> {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  const { port } = server.address() as AddressInfo
  const open = (): Promise<number> => new Promise((resolve, reject) => {
    server.getConnections((error, count) => { if (error === null) resolve(count); else reject(error) })
  })
  const wire = { url: `http://127.0.0.1:${port}`, port, server, open, accepted: 0 }
  server.on('connection', () => { wire.accepted++ })
  return wire
}

/** Begins a response whose body never ends: one byte every few milliseconds. */
export function drip (response: ServerResponse, headers: Record<string, string> = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers })
  const timer = setInterval(() => response.write(' '), 5)
  response.on('close', () => clearInterval(timer))
}

/** Resolves when no connection is left. */
export async function untilNoneOpen ({ open }: Wire): Promise<void> {
  while (await open() > 0) await new Promise((resolve) => setTimeout(resolve, 5))
}

/** Timers of this process that are set now. */
export function timers (): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}
