// In a process of its own: it measures the heap.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { readAccessToken, type Expectations } from '../../src/oauth/access-token.ts'
import { heldBytes } from '../../src/oauth/held-bytes.ts'
import { principalOf } from '../../src/oauth/principal.ts'
import { TokenCache } from '../../src/oauth/token-cache.ts'

const EXPECTED: Expectations = {
  issuer: 'https://sso.example.com/realms/myorg', audience: ['test_api'], algorithms: ['RS256'], tokenKind: 'keycloak',
  clockToleranceSeconds: 5, maxTokenLifetimeSeconds: 86_400, maxTokenBytes: 60_000
}
/** So much that what the process itself takes or gives back meanwhile, half a megabyte, is little beside it. */
const MEASURED_BYTES = 12 << 20
const key = { kid: 'k', alg: 'RS256' as const, pem: '', alive: true }
const b64 = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const list = (count: number, of: (n: number) => unknown): unknown[] => Array.from({ length: count }, (_, n) => of(n))
const members = (count: number, of: (n: number) => [string, unknown]): object =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => of(n)))

/** Claims of a service account as Keycloak writes them. */
const claims = (n: number): object => ({
  exp: Math.floor(Date.now() / 1000) + 300, iat: Math.floor(Date.now() / 1000), jti: `trrtcc:${randomUUID()}`, iss: EXPECTED.issuer,
  aud: 'test_api', sub: randomUUID(),
  typ: 'Bearer', azp: 'test_api_client', acr: '1', 'allowed-origins': ['/*'], scope: 'email profile', email_verified: false,
  clientHost: `10.0.${n % 256}.1`,
  realm_access: { roles: ['default-roles-myorg', 'offline_access', 'uma_authorization'] },
  preferred_username: 'service-account-test_api_client',
  resource_access: { account: { roles: ['manage-account', 'manage-account-links', 'view-profile'] } }, client_id: 'test_api_client'
})

const SHAPES: Readonly<Record<string, (n: number) => object>> = {
  'a service account': () => ({}),
  'a hundred realm roles': (n) => ({ realm_access: { roles: list(100, (at) => `role-number-${at}-of-the-realm-${n % 7}`) } }),
  'fifty claims of mappers': (n) => members(50, (at) => [`custom_claim_${at}`, `value ${at} ${n}`]),
  'roles of forty clients': () => ({ resource_access: members(40, (at) => [`client-${at}`, { roles: ['read', 'write', `admin-${at}`] }]) }),
  'roles of two hundred clients': () => ({ resource_access: members(200, (at) => [`client-${at}`, { roles: ['reader'] }]) }),
  'nested claims': () => ({ org: members(10, (at) => [`o${at}`, members(5, (of) => [`p${of}`, { a: 1, b: 'x', c: [1, 2, 3] }])]) }),
  'sixty scopes': () => ({ scope: list(60, (at) => `s${at}:read`).join(' ') }),
  'groups by path': (n) => ({ groups: list(150, (at) => `/org/department-${at}/team-${n % 50}`) }),
  'five hundred numbers': (n) => ({ data: list(500, (at) => at * 1.5 + n) }),
  'empty objects': () => ({ list: list(300, () => ({})), none: null })
}

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
function heap (): number {
  for (let n = 0; n < 4; n++) collect()
  return process.memoryUsage().heapUsed + process.memoryUsage().external
}

/** Returns how many tokens it took. */
function fill (cache: TokenCache, shape: (n: number) => object, bytes: number): number {
  let n = 0
  for (; cache.bytes < bytes; n++) {
    const text =
      'Bearer ' +
      `${b64({ alg: 'RS256', kid: 'k', typ: 'JWT' })}.${b64({ ...claims(n), ...shape(n) })}.${randomBytes(256).toString('base64url')}`
    // As it comes from Node's parser: one text for the header line.
    const token = Buffer.from(text).toString('latin1').slice(7)
    cache.set({ token: token }, principalOf(readAccessToken(token, EXPECTED, Date.now() / 1000).claims), key, Date.now() + 300_000)
  }
  return n
}

for (const [name, shape] of Object.entries(SHAPES)) {
  t.test(`the cache says what it holds, within a fifth: ${name}`, async (t) => {
    fill(new TokenCache(2 ** 30), shape, MEASURED_BYTES / 4)
    const cache = new TokenCache(2 ** 30)
    const before = heap()
    const count = fill(cache, shape, MEASURED_BYTES)
    const ratio = (heap() - before) / cache.bytes
    t.equal(cache.size, count)
    t.ok(ratio > 0.8 && ratio < 1.2, `${ratio.toFixed(2)} of ${Math.round(cache.bytes / count)} bytes a token`)
    cache.close()
  })
}

t.test('a token is counted with everything that it holds', async (t) => {
  const one = principalOf({ iss: 'i', exp: 1 })
  t.ok(heldBytes('x'.repeat(1000), one) - heldBytes('', one) === 1000)
})
