import { createServer } from 'node:http'
import type { RequestListener, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A request that is not complete by then is dropped. */
const REQUEST_TIMEOUT_MS = 30_000
const ATTEMPTS = 5

/** What listening says where the machine has no such address, for instance no IPv6. */
const NO_ADDRESS = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EINVAL'])

export interface Listening {
  readonly port: number
  /** Ends at once, also what is under way and connections that are kept alive. */
  close: () => Promise<void>
}

/** Makes what responds on a port, once that is known. */
export type ListenerFor = (port: number) => RequestListener

const portOf = (server: Server): number => (server.address() as AddressInfo).port

const codeOf = (error: unknown): unknown => (error as NodeJS.ErrnoException).code

/** The listener is there before the first connection can be. After that, an error of the server ends nothing. */
function listen (listenerFor: ListenerFor, port: number, address: string): Promise<Server> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS })
  return new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen({ port, host: address }, () => {
      server.on('request', listenerFor(portOf(server)))
      resolve(server)
    })
  })
}

function closeAll (servers: readonly Server[]): Promise<unknown> {
  return Promise.all(servers.map((server) => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  })))
}

async function listenOnEach (listenerFor: ListenerFor, port: number, addresses: readonly string[]): Promise<Listening> {
  const servers: Server[] = []
  let taken = port
  try {
    for (const address of addresses) {
      const server = await listen(listenerFor, taken, address).catch((error: unknown) => {
        if (servers.length > 0 && NO_ADDRESS.has(String(codeOf(error)))) return undefined
        throw error
      })
      if (server === undefined) continue
      servers.push(server)
      taken = portOf(server)
    }
  } catch (error) {
    await closeAll(servers)
    throw error
  }
  return { port: taken, close: async () => { await closeAll(servers) } }
}

/**
 * Listens on one port of all these addresses; the first must be there, the others may be missing on this machine. Port 0
 * is any port that is free on all of them. Rejects with the error of the system, `EADDRINUSE` for a port that is taken
 * on any of them. Not checked: that the addresses are loopback.
 */
export async function listenOn (
  addresses: readonly string[], port: number, listenerFor: ListenerFor, attempts = ATTEMPTS
): Promise<Listening> {
  try {
    return await listenOnEach(listenerFor, port, addresses)
  } catch (error) {
    const mayBeFreeElsewhere = port === 0 && codeOf(error) === 'EADDRINUSE' && attempts > 1
    if (mayBeFreeElsewhere) return listenOn(addresses, port, listenerFor, attempts - 1)
    throw error
  }
}
