import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { FakeClock } from './support/clock.ts'
import { newKey, type Behaviour, type SigningKey } from './support/issuer.ts'
import { startService, type Service } from './support/service.ts'

const ENVIRONMENT = { ALGORITHMS: 'ES256,ES384,RS256' }
const key = newKey('ES256', 'known')
const other = newKey('ES256', 'other')
const set = JSON.stringify({ keys: [key.jwk, other.jwk] })

const body = (content: string | Buffer, headers: Record<string, string> = {}): Behaviour => (_request, response) => {
  response.writeHead(200, headers).end(content)
}
const keys = (...members: readonly unknown[]): Behaviour => body(JSON.stringify({ keys: members }), { 'content-type': 'application/json' })
const status = async (service: Service, signer: SigningKey): Promise<number> =>
  (await service.get('/api/private', service.issuer.token({}, {}, signer))).status

/** A service that knows `key` and then fetches once more, because of a token of `other`. */
async function fetchesAgain (t: Test, behaviour: Behaviour): Promise<Service> {
  const service = await startService(t, { key, clock: new FakeClock(), environment: ENVIRONMENT })
  service.issuer.behaviour = behaviour
  return service
}

const ACCEPTED: ReadonlyArray<readonly [string, Behaviour]> = [
  ...['text/plain', 'application/octet-stream', 'binary/octet-stream', 'text/json', 'application/jwk-set+json; charset=utf-8']
    .map((type) => [`content type ${type}`, body(set, { 'content-type': type })] as const),
  ['no content type', body(set)],
  ...['', 'identity', 'Identity', ' IDENTITY ']
    .map((coding) => [
      `Content-Encoding '${coding}'`, body(set, { 'content-type': 'application/json', 'content-encoding': coding })
    ] as const),
  ['406 unless Accept names application/jwk-set+json', (request, response) => {
    if (request.headers.accept?.includes('application/jwk-set+json') === true) keys(key.jwk, other.jwk)(request, response)
    else response.writeHead(406).end()
  }],
  ['a byte order mark', body(`\uFEFF${set}`)],
  ['members that are not objects', keys(null, 1, 'key', [], true, key.jwk, other.jwk)],
  ['alg, use and key_ops that are null', keys(key.jwk, { ...other.jwk, alg: null, use: null, key_ops: null })],
  ['a key that cannot be imported beside a good one of the same kid', keys(key.jwk, { ...other.jwk, x: 'AA', y: 'AA' }, other.jwk)],
  ['a set of 400 kB', keys(key.jwk, { kty: 'NEW', kid: 'n', x5c: ['x'.repeat(400_000)] }, other.jwk)],
  ['1,000 keys', keys(key.jwk, other.jwk, ...Array.from({ length: 998 }, () => ({ kty: 'oct' })))]
]

t.test('accepted: both keys are usable', async (t) => {
  for (const [name, behaviour] of ACCEPTED) {
    await t.test(name, async (t) => {
      const service = await fetchesAgain(t, behaviour)
      t.equal(await status(service, other), 200)
      t.equal(await status(service, key), 200)
    })
  }
})

const REFUSED: ReadonlyArray<readonly [string, RegExp, Behaviour]> = [
  ['a key set as HTML', /content type "text\/html"/, body(set, { 'content-type': 'text/html; charset=utf-8' })],
  ['gzip', /compressed/, body(gzipSync(set), { 'content-type': 'application/json', 'content-encoding': 'gzip' })],
  ['more than 1 MB', /more than 1048576 bytes/, body(set + ' '.repeat(1 << 20))],
  ['1,001 keys', /1001 keys, more than 1000/, keys(key.jwk, other.jwk, ...Array.from({ length: 999 }, () => ({ kty: 'oct' })))]
]

t.test('refused whole: the known key stays, the new one is not learnt', async (t) => {
  for (const [name, error, behaviour] of REFUSED) {
    await t.test(name, async (t) => {
      const service = await fetchesAgain(t, behaviour)
      t.equal(await status(service, other), 503)
      t.equal(await status(service, key), 200)
      t.match(service.lines.filter((line) => 'error' in line), [{ error, knownKeys: 1 }])
    })
  }
})

t.test('one kid for keys of different kty and alg: each is usable (RFC 7517 section 4.5)', async (t) => {
  const same = [newKey('ES256', 'shared'), newKey('ES384', 'shared'), newKey('RS256', 'shared')]
  const service = await fetchesAgain(t, keys(key.jwk, ...same.map(({ jwk }) => jwk)))
  for (const one of same) t.equal(await status(service, one), 200, one.alg)
})

t.test('two different keys under one kid and alg: only these are unusable, and the warning names the kid', async (t) => {
  const twins = [newKey('ES256', 'twin'), newKey('ES256', 'twin')]
  const service = await fetchesAgain(t, keys(key.jwk, twins[0]?.jwk, other.jwk, twins[1]?.jwk))
  t.equal(await status(service, other), 200)
  t.equal(await status(service, key), 200)
  for (const twin of twins) t.equal(await status(service, twin), 401)
  t.equal(service.lines.filter((line) => line.level === 40 && JSON.stringify(line).includes('twin')).length, 1)
})

t.test('the same kid and alg with other material replaces the old key at once', async (t) => {
  const changed = newKey('ES256', 'known')
  const service = await fetchesAgain(t, keys(changed.jwk, other.jwk))
  const cached = service.issuer.token()
  t.equal((await service.get('/api/private', cached)).status, 200)
  t.equal(await status(service, other), 200, 'this fetch brings the change')
  t.equal((await service.get('/api/private', cached)).status, 401)
  t.equal(await status(service, changed), 200)
})
