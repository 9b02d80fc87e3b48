import { isUtf8 } from 'node:buffer'
import { connect } from 'node:net'
import t from 'tap'
import { newKey, signTexts, type TestIssuer } from './support/issuer.ts'
import { startService, type Service } from './support/service.ts'
import { inBatches } from './vectors/batches.ts'
import { readJsonTestSuite, type JsonCase } from './vectors/readers.ts'

const key = newKey('ES256')
const suite = readJsonTestSuite()
/** These two make a head of more than 16 kB: Node refuses it before there is a request. */
const ENORMOUS = ['n_structure_100000_opening_arrays.json', 'n_structure_open_array_object.json']
const cases = suite.filter(({ file }) => !ENORMOUS.includes(file))

type Placement = readonly [name: string, token: (value: Buffer, issuer: TestIssuer) => string]

const headerOf = (issuer: TestIssuer): string => JSON.stringify(issuer.header())
const claimsOf = (issuer: TestIssuer): string => JSON.stringify(issuer.claims())
const firstIn = (object: string, value: Buffer): Buffer => Buffer.concat([Buffer.from('{"x":'), value, Buffer.from(`,${object.slice(1)}`)])
const lastIn = (object: string, value: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${object.slice(0, -1)},"x":`), value, Buffer.from('}')])

const WHOLE: readonly Placement[] = [
  ['whole header', (value, issuer) => signTexts(key, value, claimsOf(issuer))],
  ['whole payload', (value, issuer) => signTexts(key, headerOf(issuer), value)]
]
const MEMBER: readonly Placement[] = [
  ['first member of the payload', (value, issuer) => signTexts(key, headerOf(issuer), firstIn(claimsOf(issuer), value))],
  ['last member of the payload', (value, issuer) => signTexts(key, headerOf(issuer), lastIn(claimsOf(issuer), value))],
  ['last member of the header', (value, issuer) => signTexts(key, lastIn(headerOf(issuer), value), claimsOf(issuer))]
]

/** Good JSON that we refuse all the same. */
const REFUSED_JSON: Readonly<Record<string, string>> = {
  'y_object_duplicated_key.json': 'a member twice: two readers see two values (RFC 7519 §4)',
  'y_object_duplicated_key_and_value.json': 'a member twice, even with one value'
}

/** As one member of a good token. */
function expectedStatuses ({ file, verdict, bytes }: JsonCase): readonly number[] {
  if (verdict === 'y') return Object.hasOwn(REFUSED_JSON, file) ? [401] : [200]
  // What JSON leaves open, RFC 7519 §7.2 and our limits decide in part: UTF-8 is strict, and nothing is nested 500 deep.
  return verdict === 'n' || !isUtf8(bytes) || file === 'i_structure_500_nested_arrays.json' ? [401] : [200, 401]
}

/** Places each case, asks, and gives what was not expected. */
async function surprises (
  { get, issuer }: Service, [name, token]: Placement, expected: (one: JsonCase) => readonly number[]
): Promise<string[]> {
  const responses = await inBatches(cases, async (one) => ({ one, status: (await get('/api/private', token(one.bytes, issuer))).status }))
  return responses.filter(({ one, status }) => !expected(one).includes(status)).map(({ one, status }) => `${name} ${one.file}: ${status}`)
}

t.test('the whole of JSONTestSuite is here', (t) => {
  const count = (verdict: string): number => suite.filter((one) => one.verdict === verdict).length
  t.same([count('y'), count('n'), count('i')], [95, 188, 35])
  t.same(suite.filter(({ bytes }) => bytes.length > 6_000).map(({ file }) => file), ENORMOUS)
  t.end()
})

t.test('as a whole header and as a whole payload, no text of JSONTestSuite is a token', async (t) => {
  const service = await startService(t, { key, environment: { ALGORITHMS: 'ES256' } })
  for (const placement of WHOLE) t.same(await surprises(service, placement, () => [401]), [], `${cases.length} times 401: ${placement[0]}`)
  t.same(errorsOf(service), [])
})

t.test('as one more member of a good token, JSON is accepted, and what is not JSON is refused', async (t) => {
  const service = await startService(t, { key, environment: { ALGORITHMS: 'ES256' } })
  for (const placement of MEMBER) {
    t.same(await surprises(service, placement, expectedStatuses), [], `${cases.length} times: ${placement[0]}`)
  }
  t.same(errorsOf(service), [])
})

t.test('a text of 100 kB and more is refused by its size, and the beginning of it by what it is', async (t) => {
  const service = await startService(t, { key, environment: { ALGORITHMS: 'ES256' } })
  for (const { file, bytes } of suite.filter((one) => ENORMOUS.includes(one.file))) {
    for (const [name, token] of [...WHOLE, ...MEMBER]) {
      t.ok(['431', 'closed'].includes(await statusOfRaw(service, token(bytes, service.issuer))), `${file}, ${name}: no request at all`)
      t.same(
        await refusal(service, token(bytes.subarray(0, 13_000), service.issuer)),
        [401, 'token_too_large'],
        `${file}, 13,000 bytes, ${name}`
      )
      t.same(
        await refusal(service, token(bytes.subarray(0, 4_000), service.issuer)),
        [401, 'not_json_object'],
        `${file}, 4,000 bytes, ${name}`
      )
    }
  }
  t.equal((await service.get('/api/private', service.issuer.token())).status, 200, 'the service lives')
  t.same(errorsOf(service), [])
})

async function refusal (service: Service, token: string): Promise<readonly unknown[]> {
  const { status } = await service.get('/api/private', token)
  return [status, service.lines.findLast(({ msg }) => msg === 'request')?.reason]
}

/** The server responds and hangs up while the head is still on its way; the response may be lost by that. */
function statusOfRaw ({ url }: Service, token: string): Promise<string> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    let response = ''
    const socket = connect(
      Number(port),
      hostname,
      () => socket.write(`GET /api/private HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    )
    socket.on('data', (chunk) => (response += chunk.toString()))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(response === '' ? 'closed' : response.split(' ')[1] ?? ''))
  })
}

function errorsOf ({ lines }: Service): readonly unknown[] {
  return lines.filter(({ level }) => Number(level) >= 50)
}
