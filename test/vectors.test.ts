import { createPrivateKey } from 'node:crypto'
import { createRequire } from 'node:module'
import t, { type Test } from 'tap'
import { examineAccessToken, RULES, type Expectations } from '../src/oauth/access-token.ts'
import { ALGORITHMS, type Algorithm } from '../src/oauth/algorithms.ts'
import { InvalidToken } from '../src/oauth/errors.ts'
import { readKeySet } from '../src/oauth/key-set.ts'
import { readJsonPart } from '../src/oauth/strict-json.ts'
import { FakeClock } from './support/clock.ts'
import { newKey, signTexts, type SigningKey } from './support/issuer.ts'
import { startService, type Service } from './support/service.ts'
import { inBatches, isToken68 } from './vectors/batches.ts'
import { readCookbook, readCookbookKeys, readWycheproof, type JoseGroup } from './vectors/readers.ts'

const own = newKey('ES256', 'own')
const groups: readonly JoseGroup[] = [
  ...readWycheproof('signature'), ...readWycheproof('key'), ...readWycheproof('crypto'), ...readWycheproof('encryption'), ...readCookbook()
]

interface Publisher extends Service {
  /** The issuer serves these keys from now on, and its own; the service has learnt them. */
  publish: (group: JoseGroup) => Promise<void>
}

/** Every algorithm that can be asked for is, so that the list is not what refuses. A minute of fake time makes the service ask for the keys again. */
async function startPublisher (t: Test): Promise<Publisher> {
  const clock = new FakeClock()
  const service = await startService(t, { key: own, clock, environment: { ALGORITHMS: ALGORITHMS.join(' ') } })
  const { app: { keyring }, issuer } = service
  const publish = async ({ publicKeys }: JoseGroup): Promise<void> => {
    issuer.published = [own.jwk, ...publicKeys]
    const { fetches } = issuer
    await clock.pass(61_000, () => keyring.settled())
    if (issuer.fetches === fetches) throw new Error('the keys were not asked for')
  }
  return { ...service, publish }
}

t.test('no outside JWS or JWE is let in, and none makes the service fail', async (t) => {
  const service = await startPublisher(t)
  const statuses: Record<number, number> = {}
  const wrong: string[] = []
  for (const group of groups) {
    await service.publish(group)
    await inBatches(group.cases, async ({ name, token }) => {
      const { status } = await service.get('/api/private', token)
      statuses[status] = (statuses[status] ?? 0) + 1
      if (status !== (isToken68(token) ? 401 : 400)) wrong.push(`${name}: ${status}`)
    })
    if ((await service.get('/api/private', service.issuer.token())).status !== 200) wrong.push(`after ${group.name}: a good token is refused`)
  }
  t.same(wrong, [], 'each is 401, and 400 where the text is no token68 (RFC 6750 §2.1)')
  t.comment(JSON.stringify(statuses))
  t.equal(statuses[401]! + statuses[400]!, groups.flatMap(({ cases }) => cases).length)
})

/** Groups whose key we do not take, by its private half: a good token that it signs is refused. Their reasons stand in json_web_key_test. */
const REFUSED_KEYS: Readonly<Record<string, string>> = {
}

t.test('a good token that the key of a group signs is let in, unless the key is one that we do not take', async (t) => {
  const service = await startPublisher(t)
  const found: string[] = []
  let accepted = 0
  for (const group of groups) {
    const token = resigned(group, service)
    if (token === undefined) continue
    await service.publish(group)
    const { status } = await service.get('/api/private', token)
    if (status === 200) accepted++
    else found.push(`${group.name}: ${status}`)
  }
  t.same(found, Object.keys(REFUSED_KEYS))
  t.comment(accepted)
})

/** undefined where the group has no private key, or none that can sign. */
function resigned ({ privateKey: jwk }: JoseGroup, { issuer }: Service): string | undefined {
  if (jwk === undefined) return undefined
  const alg = ALGORITHMS.find((one) => one === jwk.alg) ?? { RSA: 'RS256', 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[String(jwk.crv ?? jwk.kty)] ?? ''
  try {
    const key: SigningKey = { kid: String(jwk.kid), alg, jwk, privateKey: createPrivateKey({ key: jwk, format: 'jwk' }) }
    return signTexts(key, JSON.stringify(issuer.header({ alg, kid: key.kid })), JSON.stringify(issuer.claims()))
  } catch {
    return undefined
  }
}

/** The very function by which @fastify/jwt checks a signature: of the fast-jwt that it loads, below what reads the payload. */
const { verifySignature } = createRequire(createRequire(import.meta.url).resolve('@fastify/jwt'))('fast-jwt/src/crypto.js') as {
  verifySignature: (algorithm: string, key: string, input: string, signature: string) => boolean
}

const EXPECTED: Expectations = {
  issuer: '', audience: 'any', algorithms: ALGORITHMS, tokenKind: 'keycloak', clockToleranceSeconds: 5, maxTokenLifetimeSeconds: 86_400
}
const HEADER_REASONS = ['header_not_allowed', 'algorithm_not_allowed', 'kid_missing', 'wrong_header_type']

/** What the service says about the signature of a text, the rules about payloads left out: undefined, or the reason for which it is refused. */
async function verdict (token: string, { app }: Service): Promise<string | undefined> {
  const [head = '', payload = '', signature = ''] = token.split('.')
  const fault = examineAccessToken(token, EXPECTED, 0).find(({ reason, detail }) => reason === 'not_base64url' || (detail !== 'payload' && !isClaimFault(reason)))
  if (fault !== undefined) return fault.reason
  const header = readJsonPart(head) as { alg: Algorithm, kid: string }
  const rule = RULES.find(({ reason, check }) => HEADER_REASONS.includes(reason) && check({ header, claims: {} }, EXPECTED, 0) !== undefined)
  if (rule !== undefined) return rule.reason
  try {
    const { pem } = await app.keyring.key(header.kid, header.alg)
    return verifySignature(header.alg, pem, `${head}.${payload}`, signature) ? undefined : 'signature_invalid'
  } catch (error) {
    if (error instanceof InvalidToken) return error.reason
    if ((error as { code?: string }).code?.startsWith('FAST_JWT_') === true) return 'signature_invalid'
    throw error
  }
}

/** These are asked only of a payload that is a JSON object. */
function isClaimFault (reason: string): boolean {
  return !HEADER_REASONS.includes(reason) && RULES.some((rule) => rule.reason === reason)
}

t.test('verify step', async (t) => {
  const service = await startPublisher(t)
  const found: string[] = []
  for (const group of groups) {
    await service.publish(group)
    for (const { name, valid, token } of group.cases) {
      const reason = await verdict(token, service)
      if ((reason === undefined) !== valid) found.push(`${name} ${group.name} ${reason ?? 'accepted'}`)
    }
  }
  console.log(found.join('\n'))
})
console.log(readKeySet, readCookbookKeys)
