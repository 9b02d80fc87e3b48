import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface FrozenProxy {
  readonly url: string
  /** Connections so far. */
  readonly connections: () => number
  /** Those that are open stay so, and nothing passes any more, as where a node is gone without a word; new ones work. */
  readonly freeze: () => void
}

/** In front of a Redis. */
export async function frozenProxy (t: Test, redisUrl: string): Promise<FrozenProxy> {
  const { hostname, port } = new URL(redisUrl)
  const open = new Set<Socket>()
  let connections = 0
  const server = createServer((from) => {
    connections++
    const to = connect(Number(port), hostname)
    for (const [one, other] of [[from, to], [to, from]] as const) {
      open.add(one)
      one.on('error', () => undefined).on('close', () => { open.delete(one); if (!one.isPaused()) other.destroy() })
      one.pipe(other)
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    for (const one of open) one.destroy()
  })
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}/0`,
    connections: () => connections,
    freeze: () => { for (const one of open) one.unpipe().pause() }
  }
}
