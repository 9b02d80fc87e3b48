// In a process of its own: it keeps the process busy.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { newKey } from './support/issuer.ts'
import { startService, until, type Service } from './support/service.ts'

/** The slowest algorithm: a flood of it fills the queue within a turn of the event loop. */
const key = newKey('ES512')
const FLOOD = 180
const environment = { ALGORITHMS: 'ES512', TRUST_PROXY: 'loopback' }

/** A token that is right in everything but its signature, whose numbers are within the curve's order, so that it costs a full check. */
function forged (genuine: string, n: number, azp: string): string {
  const [header = '', payload = ''] = genuine.split('.')
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url').toString()) as object, jti: `forged ${n}`, azp, client_id: azp }
  const signature = randomBytes(132)
  signature[0] = signature[66] = 0
  return `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.${signature.toString('base64url')}`
}

/** All at once, each over a connection of its own; resolves when many of them wait. */
async function flood (service: Service, azp: (n: number) => string, address: (n: number) => string): Promise<readonly Socket[]> {
  const { port } = new URL(service.url)
  const genuine = service.issuer.token()
  const tokens = Array.from({ length: FLOOD }, (_, n) => forged(genuine, n, azp(n)))
  const sockets = await Promise.all(tokens.map(async () => {
    const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined)
    await once(socket.resume(), 'connect')
    return socket
  }))
  // A server accepts one connection in a turn of the event loop: a flood is one when all are accepted.
  let accepted = 0
  await until(() => {
    service.app.server.getConnections((_error, count) => { accepted = count })
    return accepted >= FLOOD
  })
  for (const [n, token] of tokens.entries()) {
    sockets[n]?.write(`GET /api/private HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address(n)}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  }
  await until(() => service.app.verification.queue.length > 100)
  return sockets
}

async function serviceFor (t: Test, environment: Record<string, string>): Promise<Service> {
  const service = await startService(t, { key, overload: { perTurnMs: 60_000 }, environment })
  // On a busy machine, too.
  Object.assign(service.app.verification.queue.times, { waitingMs: Infinity, suspectsWaitingMs: Infinity, longestWaitMs: Infinity })
  return service
}

interface Case {
  readonly name: string
  readonly trustProxy: boolean
  /** Of the nth request of the flood. */
  readonly address: (n: number) => string
  readonly azp: (n: number) => string
  /** The victim has presented another token before. */
  readonly known: boolean
}

const CASES: readonly Case[] = [
  {
    name: 'from one address with the victim\'s azp; the victim is new', trustProxy: true, address: () => '192.0.2.66',
    azp: () => 'victim', known: false
  },
  {
    name: 'from one address with random azp; the victim is new', trustProxy: true, address: () => '192.0.2.66',
    azp: (n) => `random-${n}`, known: false
  },
  {
    name: 'from many addresses with the victim\'s azp', trustProxy: true, address: (n) => `192.0.2.${n}`, azp: () => 'victim', known: true
  },
  {
    name: 'through one gateway without TRUST_PROXY, with an azp of its own',
    trustProxy: false,
    address: () => '192.0.2.66',
    azp: () => 'attacker',
    known: true
  },
  {
    name: 'through one gateway without TRUST_PROXY, with random azp', trustProxy: false, address: () => '192.0.2.66',
    azp: (n) => `random-${n}`, known: true
  }
]

for (const { name, trustProxy, address, azp, known } of CASES) {
  t.test(`flood ${name}: good tokens do not wait for it`, async (t) => {
    const service = await serviceFor(t, trustProxy ? environment : { ALGORITHMS: 'ES512' })
    const { counts } = service.app.verification
    const good = (n: number): string => service.issuer.token({ jti: `good ${n}`, azp: 'victim', client_id: 'victim' })
    // Ten addresses: one or two may share the line of the flood by chance.
    const from = (n: number): Record<string, string> => ({ 'x-forwarded-for': `198.51.100.${n}` })
    if (known) for (let n = 0; n < 10; n++) t.equal((await service.get('/api/private', good(1000 + n), from(n))).status, 200)
    const sockets = await flood(service, azp, address)
    const before = counts.signatureChecks
    const checksUntil = await Promise.all(Array.from({ length: 10 }, async (_, n) => {
      const { status } = await service.get('/api/private', good(n), from(n))
      return { status, checks: counts.signatureChecks - before }
    }))
    const quick = checksUntil.filter(({ status, checks }) => status === 200 && checks < FLOOD / 2)
    t.ok(quick.length >= 8, JSON.stringify(checksUntil))
    for (const socket of sockets) socket.destroy()
  })
}

interface Response {
  readonly status: string
  /** Signatures checked until it was received, since all were sent. */
  readonly checks: number
}

/** Ten new callers with good tokens, over connections that are open before the flood: what becomes of them, once they send. */
async function newcomers (service: Service): Promise<() => Promise<readonly Response[]>> {
  const { counts } = service.app.verification
  const callers = await Promise.all(Array.from({ length: 10 }, async (_, n) => {
    const socket = connect(Number(new URL(service.url).port), '127.0.0.1').on('error', () => undefined)
    socket.write('GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n')
    await once(socket, 'data')
    return { socket, token: service.issuer.token({ jti: `good ${n}`, azp: 'victim', client_id: 'victim' }) }
  }))
  return async () => {
    const before = counts.signatureChecks
    return await Promise.all(callers.map(async ({ socket, token }, n) => {
      socket.write(`GET /api/private HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.${n}\r\nAuthorization: Bearer ${token}\r\n\r\n`)
      const [data] = await once(socket, 'data') as [Buffer]
      socket.destroy()
      return { status: data.toString('latin1', 9, 12), checks: counts.signatureChecks - before }
    }))
  }
}

t.test('flood through one gateway without TRUST_PROXY, with random azp; the victim is new: ' +
  'only the first of its tokens waits among the flood', async (t) => {
  const service = await serviceFor(t, { ALGORITHMS: 'ES512' })
  const send = await newcomers(service)
  const before = await flood(service, (n) => `random-${n}`, () => '192.0.2.66')
  await until(() => service.app.verification.queue.length === 0)
  const sockets = await flood(service, (n) => `random-${FLOOD + n}`, () => '192.0.2.66')
  const responses = await send()
  t.ok(responses.every(({ status, checks }) => status === '200' && checks < 40), JSON.stringify(responses))
  for (const socket of [...before, ...sockets]) socket.destroy()
})

t.test('flood from many addresses that have sent bad signatures before, with the victim\'s azp: ' +
  'new callers do not wait among them', async (t) => {
  const service = await serviceFor(t, environment)
  const send = await newcomers(service)
  const before = await flood(service, () => 'victim', (n) => `192.0.2.${n}`)
  await until(() => service.app.verification.queue.length === 0)
  const sockets = await flood(service, () => 'victim', (n) => `192.0.2.${n}`)
  const responses = await send()
  t.ok(responses.every(({ status, checks }) => status === '200' && checks < 40), JSON.stringify(responses))
  for (const socket of [...before, ...sockets]) socket.destroy()
})

t.test('the live probe gets its response between the checks of a flood of the slowest algorithm', async (t) => {
  const service = await serviceFor(t, environment)
  const { counts } = service.app.verification
  const sockets = await flood(service, () => 'victim', () => '192.0.2.66')
  const before = counts.signatureChecks
  t.equal((await service.get('/health/live')).status, 200)
  t.ok(counts.signatureChecks - before < 100, `${counts.signatureChecks - before} checks`)
  for (const socket of sockets) socket.destroy()
})

t.test('what a caller presented who has left is not verified', async (t) => {
  const service = await serviceFor(t, environment)
  const { counts, queue } = service.app.verification
  const sockets = await flood(service, () => 'victim', () => '192.0.2.66')
  for (const socket of sockets) socket.destroy()
  await until(() => queue.length === 0)
  t.ok(counts.signatureChecks < FLOOD - 50, `${counts.signatureChecks} of ${FLOOD}`)
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200)
})
