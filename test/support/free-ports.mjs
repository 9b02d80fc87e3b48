import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** Below the ports that systems give to outgoing connections, and to whoever asks for any port: another program would soon have it. */
const [FIRST, COUNT] = [20_000, 12_000]
/** No port twice: who got it may not listen yet. */
const given = new Set()

/** A port on which nobody listens at this moment, on any address of the machine. */
export async function freePort () {
  const port = FIRST + randomInt(COUNT)
  const isGiven = given.has(port)
  given.add(port)
  return !isGiven && await isFree(port) ? port : freePort()
}

/** So many of them. */
export async function freePorts (count) {
  return Promise.all(Array.from({ length: count }, freePort))
}

async function isFree (port) {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}
