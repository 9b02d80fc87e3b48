/** Run by client-call.mjs, on the core of servers: all contestants in one process, since two differ by more than is looked for. */
import { playRounds } from '../rounds.mjs'

const { createClient } = await import('../../dist/src/client/client.js')

const { API = '', ROUNDS = '100', CONTESTANTS = '' } = process.env
/** Calls under way at once, as in a job. */
const CALLERS = 16
const WARM_CALLS = 3_000
const CALLS = 400

const client = createClient({ tokenEndpoint: `${API}/token`, clientId: 'bench', clientSecret: 'bench', apiUrl: API })
const path = '/orders/4711?expand=items'
const address = `${API}${path}`
const token = await client.token()
const withToken = () => ({ headers: { authorization: `Bearer ${token}` } })
const wrapped = client.wrap()

const calls = {
  fetch: () => fetch(address, withToken()),
  'fetch again': () => fetch(address, withToken()),
  'fetch with AbortSignal.timeout': () => fetch(address, { ...withToken(), signal: AbortSignal.timeout(10_000) }),
  'client.fetch': () => client.fetch(path),
  'client.wrap(fetch)': () => wrapped(address)
}

async function visit ({ name }, count = CALLS) {
  const call = calls[name]
  let left = count
  const startMs = performance.now()
  const start = process.cpuUsage()
  await Promise.all(Array.from({ length: CALLERS }, async () => {
    while (left-- > 0) {
      const response = await call()
      if (response.status !== 200) throw new Error(`status ${response.status}, expected 200`)
      await response.json()
    }
  }))
  const { user, system } = process.cpuUsage(start)
  return { cpuMicros: (user + system) / count, perSecond: count / (performance.now() - startMs) * 1000 }
}

const contestants = CONTESTANTS.split(',').map((name) => ({ name }))
for (const contestant of contestants) await visit(contestant, WARM_CALLS)
process.stdout.write(JSON.stringify(await playRounds({ contestants, rounds: Number(ROUNDS), visit, say: () => undefined })))
process.exit()
