import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { brotliCompressSync } from 'node:zlib'
import t from 'tap'
import { silentAddress } from './client/fakes.ts'
import { FakeClock } from './support/clock.ts'
import { newKey, TestIssuer, type Behaviour } from './support/issuer.ts'
import { UNKNOWN_KEY_LIMITS } from '../src/oauth/unknown-key-budget.ts'
import { startService, until } from './support/service.ts'

const key = newKey()
const weak = newKey('RS256', 'weak', 1024)

function json (body: unknown): Behaviour {
  const text = JSON.stringify(body)
  return (_request, response) => response.setHeader('content-type', 'application/json').end(text)
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Bytes held on the heap and outside of it, garbage of the test's own issuer in the same process left out. */
function held (): number {
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

interface Fault { readonly name: string, readonly fault: RegExp, readonly behaviour: Behaviour }

const FAULTS: readonly Fault[] = [
  { name: '500', fault: /status 500/, behaviour: (_request, response) => response.writeHead(500).end('{"keys":[]}') },
  {
    name: '500 with a good key set',
    fault: /status 500/,
    behaviour: (_request, response) =>
      response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [newKey('ES256').jwk] }))
  },
  {
    name: 'an HTML page',
    fault: /content type "text\/html"/,
    behaviour: (_request, response) => response.setHeader('content-type', 'text/html').end('<html>')
  },
  {
    name: 'a key set as HTML',
    fault: /content type "application\/xhtml\+xml"/,
    behaviour: (_request, response) =>
      response.setHeader('content-type', 'Application/xhtml+xml; charset=utf-8').end(JSON.stringify({ keys: [newKey('ES256').jwk] }))
  },
  {
    name: 'an HTML page as JSON',
    fault: /not JSON/,
    behaviour: (_request, response) => response.setHeader('content-type', 'application/json').end('<html>')
  },
  {
    name: 'no JSON',
    fault: /not JSON/,
    behaviour: (_request, response) => response.setHeader('content-type', 'application/json').end('{"keys":[')
  },
  { name: '{}', fault: /not a key set/, behaviour: json({}) },
  { name: 'null', fault: /not a key set/, behaviour: json(null) },
  { name: 'keys no list', fault: /not a key set/, behaviour: json({ keys: {} }) },
  { name: 'no member that is a key', fault: /without a usable signing key/, behaviour: json({ keys: [null, 1, 'key', []] }) },
  { name: 'an empty set', fault: /without a usable signing key/, behaviour: json({ keys: [] }) },
  {
    name: 'keys of unknown kinds only',
    fault: /without a usable signing key/,
    behaviour: json({ keys: [{ kty: 'NEW', kid: 'n', use: 'sig' }, { kty: 'oct', kid: 'o', k: 'AAAA' }] })
  },
  { name: 'only a key for encryption', fault: /without a usable signing key/, behaviour: json({ keys: [{ ...key.jwk, use: 'enc' }] }) },
  { name: 'only a weak key', fault: /without a usable signing key/, behaviour: json({ keys: [weak.jwk] }) },
  {
    name: 'only two keys under one kid',
    fault: /two different keys under one kid/,
    behaviour: json({ keys: [newKey('ES256', 'twin').jwk, newKey('ES256', 'twin').jwk] })
  },
  {
    name: '1,001 keys',
    fault: /1001 keys, more than 1000/,
    behaviour: json({ keys: [newKey('ES256').jwk, ...Array.from({ length: 1_000 }, () => ({ kty: 'oct' }))] })
  },
  {
    name: '10,000 keys',
    fault: /more than 1048576 bytes/,
    behaviour: json({ keys: Array.from({ length: 10_000 }, (_, n) => ({ ...key.jwk, kid: `k${n}` })) })
  },
  {
    name: '100 MB', fault: /more than 1048576 bytes/,
    behaviour: (_request, response) => {
      const chunk = Buffer.alloc(1 << 20, ' ')
      let left = 100
      const more = (): void => {
        while (left-- > 0 && !response.destroyed) if (!response.write(chunk)) return void response.once('drain', more)
        response.end()
      }
      more()
    }
  },
  {
    name: 'a compressed bomb', fault: /compressed/,
    behaviour: (_request, response) => response.writeHead(200, {
      'content-type': 'application/json', 'content-encoding': 'br'
    }).end(brotliCompressSync(Buffer.alloc(10 << 20, ' ')))
  },
  {
    name: 'a redirect to another host',
    fault: /redirect \(302\)/,
    behaviour: (_request, response) => response.writeHead(302, { location: 'http://localhost:1/' }).end()
  },
  { name: 'a cut connection', fault: /SOCKET|ECONNRESET|terminated/, behaviour: (_request, response) => {
    response.writeHead(200, { 'content-length': 1000 }).write('{"keys":')
    setTimeout(() => response.destroy(), 10)
  } },
  { name: 'no response at all', fault: /within 5000 ms/, behaviour: () => undefined },
  {
    name: 'a slow drip', fault: /within 5000 ms/,
    behaviour: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const drip = setInterval(() => response.write(' '), 100)
      response.on('close', () => clearInterval(drip))
    }
  }
]

t.test('R3: whatever the issuer responds, known keys remain, known keys never wait, an unknown one is 503', async (t) => {
  t.jobs = 4
  for (const { name, fault, behaviour } of FAULTS) {
    t.test(name, async (t) => {
      const service = await startService(t, { key, clock: new FakeClock() })
      service.issuer.behaviour = behaviour
      const unknown = service.get('/api/private', service.issuer.token({}, { kid: 'unknown' }))
      await until(() => service.issuer.fetches >= 2)
      const heldBefore = held()
      t.equal((await service.get('/api/private', service.issuer.token())).status, 200, 'at once, while the fetch hangs')
      const refused = await unknown
      t.match(refused, { status: 503, challenge: '', headers: { } })
      t.match(refused.headers.get('retry-after'), /^[1-6]$/)
      t.equal((await service.get('/api/private', service.issuer.token())).status, 200)
      t.equal((await service.get('/api/private', service.issuer.token({}, { kid: 'unknown' }))).status, 503, 'still not known')
      // Requests are not counted: a deadline that a busy machine delays is tried once more within the same fetch.
      t.equal(service.app.keyring.fetches, 2, 'an outage is left to the retries')
      t.match(await service.get('/health/ready'), {
        status: 200, body: { status: 'degraded', conditions: { issuer_unavailable: /fetched \d+ s ago/ } }
      })
      const told = service.lines.filter((line) => 'error' in line)
      t.equal(told.length, 1, 'one log line for the change of state')
      t.match(told, [{ level: 40, error: fault, knownKeys: 1 }])
      const more = held() - heldBefore
      t.ok(more <= 20 << 20, `memory: ${Math.round(more / 1024)} kB more`)
    })
  }
})

t.test('R1: an issuer that is down at boot: up, not ready, 503 and never 401; ready with its first good response', async (t) => {
  const issuer = await TestIssuer.start(key)
  issuer.behaviour = (_request, response) => response.socket?.destroy()
  const service = await startService(t, { issuer, impatient: true })
  t.equal((await service.get('/health/live')).status, 200)
  t.match(await service.get('/health/ready'), { status: 503, body: { status: 'unavailable', conditions: { keys_missing: String } } })
  const refused = await service.get('/api/private', issuer.token())
  t.match(refused, { status: 503, challenge: '', body: { status: 503, title: 'Service Unavailable' } })
  t.ok(refused.headers.get('retry-after'))
  t.notMatch(refused.text, /ECONN|localhost|fetch/i, 'nothing of the cause')
  t.equal((await service.get('/api/private')).status, 401, 'without a token there is nothing to verify')
  t.equal((await service.get('/api/public')).status, 200)
  issuer.behaviour = undefined
  await until(() => service.app.keyring.state().available, 6_000)
  t.equal((await service.get('/api/private', issuer.token())).status, 200)
  t.match(await service.get('/health/ready'), { status: 200, text: '{"status":"ok"}' })
})

t.test('keys that are older than KEYS_MAX_STALE_HOURS expire: not ready, 503, and a line in the log', async (t) => {
  const service = await startService(t, { key, environment: { KEYS_REFRESH_SECONDS: '1', KEYS_MAX_STALE_HOURS: '0' } })
  const token = service.issuer.token()
  t.equal((await service.get('/api/private', token)).status, 200)
  service.issuer.behaviour = (_request, response) => response.writeHead(500).end()
  await new Promise((resolve) => setTimeout(resolve, 2_100))
  t.match(await service.get('/health/ready'), { status: 503, body: { conditions: { keys_missing: String } } })
  t.match(await service.get('/api/private', token), { status: 503, challenge: '' })
  t.ok(service.lines.some(({ msg, level }) => level === 50 && /could not be reached for KEYS_MAX_STALE_HOURS/.test(String(msg))))
})

for (const [name, jwksUrl, fault] of [
  ['a name that does not resolve', 'http://nowhere.invalid/keys', /ENOTFOUND|EAI_AGAIN/],
  ['nobody listens', `${await silentAddress()}/keys`, /^ECONNREFUSED: /],
  ['a port that fetch refuses', 'http://127.0.0.1:9/keys', /^BAD_PORT: /],
  ['TLS to a server that has none', undefined, /SSL|TLS|EPROTO|WRONG_VERSION/i]
] as const) {
  t.test(`an issuer that cannot be reached: ${name}`, async (t) => {
    const issuer = await TestIssuer.start(key)
    const service = await startService(t, {
      issuer, impatient: true, environment: { ALLOW_INSECURE_HTTP: 'on', JWKS_URL: jwksUrl ?? issuer.jwksUrl.replace('http:', 'https:') }
    })
    await until(() => service.lines.some((line) => 'error' in line))
    t.match(service.lines.find((line) => 'error' in line), { level: 50, error: fault })
    t.equal((await service.get('/api/private', issuer.token())).status, 503)
  })
}

t.test('R6 over the wire: invented key ids are 401 at once, good traffic is not touched', async (t) => {
  const service = await startService(t, { key })
  const good = service.issuer.token()
  const statuses = new Map<string, number>()
  const startedAtMs = performance.now()
  for (let round = 0; round < 20; round++) {
    const outcomes = await Promise.all(Array.from({ length: 26 }, (_, n) => n === 0
      ? service.get('/api/private', good).then(({ status }) => `good ${status}`)
      : service.get('/api/private', service.issuer.token({}, { kid: `invented-${round}-${n}` }))
          .then(({ status }) => `invented ${status}`)))
    for (const outcome of outcomes) statuses.set(outcome, (statuses.get(outcome) ?? 0) + 1)
  }
  t.same(Object.fromEntries(statuses), { 'good 200': 20, 'invented 401': 500 })
  // One at the start, a burst of two, then one for each interval that the machine took.
  const allowed = 1 + 2 + Math.ceil((performance.now() - startedAtMs) / UNKNOWN_KEY_LIMITS.intervalMs)
  t.ok(service.issuer.fetches <= allowed, `${service.issuer.fetches} fetches, ${allowed} allowed`)
  t.equal(service.app.verification.counts.signatureChecks, 1, 'no signature was checked for them')
})

t.test('R5 over the wire: a withdrawn key takes its cached tokens with it', async (t) => {
  const service = await startService(t, { key, environment: { KEYS_REFRESH_SECONDS: '1' } })
  const token = service.issuer.token()
  t.equal((await service.get('/api/private', token)).status, 200)
  service.issuer.published = [newKey('ES256').jwk]
  await until(() => service.lines.some((line) => String(line.msg).includes('have changed') && (line.removed as string[]).includes(key.kid)))
  t.equal((await service.get('/api/private', token)).status, 401)
  t.equal(service.app.verification.cache.size, 0)
})
