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
import { readCookbook, readCookbookKeys, readWycheproof, type JoseGroup, type Jwk } from './vectors/readers.ts'

const own = newKey('ES256', 'own')
const groups: readonly JoseGroup[] = [
  ...readWycheproof('signature'), ...readWycheproof('key'), ...readWycheproof('crypto'), ...readWycheproof('encryption'), ...readCookbook()
]

interface Publisher extends Service {
  /** The issuer serves these keys from now on, and its own; the service has learnt them. */
  publish: (group: JoseGroup) => Promise<void>
}

/**
 * Every algorithm that can be asked for is, so that the list is not what refuses. A minute of fake time makes the service ask for
 * the keys again.
 */
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

t.test('no outside JWS or JWE is accepted, and none causes a 5xx', async (t) => {
  const service = await startPublisher(t)
  let refused = 0
  const wrong: string[] = []
  for (const group of groups) {
    await service.publish(group)
    await inBatches(group.cases, async ({ name, token }) => {
      const { status } = await service.get('/api/private', token)
      if (status === (isToken68(token) ? 401 : 400)) refused++
      else wrong.push(`${name}: ${status}`)
    })
    if ((await service.get('/api/private', service.issuer.token())).status !== 200) {
      wrong.push(`after ${group.name}: a good token is refused`)
    }
  }
  t.same(wrong, [], 'each is 401, and 400 where the text is not a token68 (RFC 6750 §2.1)')
  t.equal(refused, 718)
  t.same(service.lines.filter(({ level }) => Number(level) >= 50), [], 'no error in the log')
})

/** Groups whose key is not taken, and why. */
const REFUSED_KEYS: Readonly<Record<string, readonly string[]>> = {
  'alg ES521 does not exist (RFC 7518 §3.4: ES512 over P-521)': [
    'signature 347… rfc7520', 'signature 351… rfc7520WithKeyOps', 'key 19… wrong_algorithm'
  ],
  'alg ES224 is none of ours': ['key 20… invalid_algorithm'],
  'use enc or key_ops encrypt': [
    'signature 353… rsa_encryption', 'signature 354… ec_key_for_encryption', 'signature 355… rsa_encryption',
    'signature 356… ec_key_for_encryption',
    'key 6… rs256', 'key 21… invalid_use', 'encryption 82… jwe_rsa_oaep', 'encryption 88… jwe_rsa_oaep_256', 'encryption 100… jwe_rsa1_5',
    'encryption 110… jwe_rsa_oaep', 'encryption 111… jwe_rsa_oaep_256', 'encryption 112… jwe_rsa1_5',
    'encryption 121… jwe_rsa_oaep_modified',
    'encryption 128… rfc_7520', 'encryption 129… rfc_7520', 'encryption 130… rfc_7520', 'encryption 131… rfc_7520',
    'jwe_5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2.json', 'jwe_5_2.key_encryption_using_rsa-oaep_with_aes-gcm.json',
    'jwe_5_4.key_agreement_with_key_wrapping_using_ecdh-es_and_aes-keywrap_with_aes-gcm.json',
    'jwe_5_5.key_agreement_using_ecdh-es_with_aes-cbc-hmac-sha2.json', 'jwe_5_13.encrypting_to_multiple_recipients.json'
  ],
  'RSA of 1024 bits (RFC 7518 §3.3)': ['key 8… keysize_too_small'],
  'RSA with the exponent 1': ['key 9… exponentOne']
}

t.test('a good token signed by the key of a group is accepted, unless the key is one that is not accepted here', async (t) => {
  const service = await startPublisher(t)
  const found: string[] = []
  let accepted = 0
  for (const group of groups) {
    const token = resigned(group, service)
    if (token === undefined) continue
    await service.publish(group)
    const { status } = await service.get('/api/private', token)
    if (status === 200) accepted++
    else found.push(status === 401 ? group.name : `${group.name}: ${status}`)
  }
  t.same(found.sort(), Object.values(REFUSED_KEYS).flat().sort())
  // One of them, jws_4_8, has one kid for an RSA and an EC key, which RFC 7517 §4.5 allows.
  t.equal(accepted, 23)
})

/** undefined where the group has no private key, or none that can sign. */
function resigned ({ secretKeys, publicKeys }: JoseGroup, { issuer }: Service): string | undefined {
  const jwk = secretKeys.find(({ d, kid }) => d !== undefined && kid !== undefined)
  if (jwk === undefined || publicKeys.length === 0) return undefined
  const alg = ALGORITHMS.find((one) => one === jwk.alg) ??
    { RSA: 'RS256', 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }[String(jwk.crv ?? jwk.kty)] ??
    ''
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
  issuer: '', audience: 'any', algorithms: ALGORITHMS, tokenKind: 'keycloak', clockToleranceSeconds: 5, maxTokenLifetimeSeconds: 86_400,
  maxTokenBytes: 15_000
}
const HEADER_REASONS = ['header_not_allowed', 'algorithm_not_allowed', 'kid_missing', 'wrong_header_type']

/**
 * What the service says about the signature of a text, the rules about payloads left out: undefined, or the reason for which it
 * is refused.
 */
async function verdict (token: string, { app }: Service): Promise<string | undefined> {
  const [head = '', payload = '', signature = ''] = token.split('.')
  const fault = examineAccessToken(token, EXPECTED, 0).findings.find(({ reason, detail }) => reason === 'not_base64url' ||
    (!detail.startsWith('payload') && !isClaimFault(reason)))
  if (fault !== undefined) return fault.reason
  const header = readJsonPart(head) as { alg: Algorithm, kid: string }
  const rule = RULES.find(({ reason, check }) => HEADER_REASONS.includes(reason) &&
    check({ header, claims: {} }, EXPECTED, 0) !== undefined)
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

/** Our verdict, why it is right, and the cases where it is not the vector's. */
const DIFFERENCES: ReadonlyArray<{ reason: string, because: string, cases: readonly string[] }> = [
  {
    reason: 'algorithm_not_allowed', because: 'HMAC: whoever can check such a token can make one (RFC 8725 §3.5); not on the list',
    cases: [
      ...numbered('signature', 1, 348, 352, 357, 358, 359, 376, 377), ...numbered('key', 2, 13, 14, 15), ...numbered('crypto', 1, 48),
      'jws_4_4.hmac-sha2_integrity_protection.json compact'
    ]
  },
  {
    reason: 'not_three_parts',
    because: 'an empty payload is not a set of claims',
    cases: numbered('signature', 259, 264, 268, 272, 320, 325)
  },
  { reason: 'not_three_parts', because: 'a detached payload', cases: ['jws_4_5.signature_with_detached_content.json compact'] },
  { reason: 'algorithm_mismatch', because: 'the key says PS256, the token PS384', cases: numbered('signature', 346, 350) },
  { reason: 'key_unknown', because: 'the key says ES521, which does not exist: it is not taken', cases: numbered('signature', 347, 351) },
  { reason: 'not_base64url', because: 'a character outside of base64url', cases: numbered('signature', 372, 373) },
  { reason: 'not_base64url', because: 'an unencoded payload (RFC 7797)', cases: ['rfc7797_hmac-sha2_b64_false.json compact'] },
  {
    reason: 'kid_missing', because: 'the header names no key: none is guessed',
    cases: ['curve25519_jws.json compact', '6.nesting_signatures_and_encryption.json compact']
  },
  {
    reason: 'accepted',
    because: 'the primes of a key are not looked at (ROCA, CVE-2017-15361): which keys are good is the issuer\'s to say',
    cases: ['key 7', 'crypto 46']
  }
]

function numbered (file: string, ...numbers: readonly number[]): readonly string[] {
  return numbers.map((number) => `${file} ${number}`)
}

t.test('the verdict on each outside JWS is the vector\'s, at the step that checks signatures, or a difference with a reason', async (t) => {
  const service = await startPublisher(t)
  const found: string[] = []
  let asked = 0
  for (const group of groups) {
    await service.publish(group)
    for (const { name, valid, token } of group.cases.filter(isCompactJws)) {
      asked++
      const reason = await verdict(token, service)
      if ((reason === undefined) !== valid) found.push(`${name}: ${reason ?? 'accepted'}`)
    }
  }
  t.same(found.sort(), DIFFERENCES.flatMap(({ reason, cases }) => cases.map((name) => `${name}: ${reason}`)).sort())
  t.equal(asked, 492)
})

/** A JWE and the JSON serializations are no JWS for us: over the wire they are refused, and here there is no verdict to compare. */
function isCompactJws ({ name, token }: { name: string, token: string }): boolean {
  return !name.startsWith('encryption') && !token.startsWith('{') && token.split('.').length !== 5
}

t.test('of a key set only public keys for signatures are taken', (t) => {
  const taken = (jwk: Jwk): boolean => {
    try {
      return readKeySet(JSON.stringify({ keys: [{ kid: 'k', ...jwk, use: 'sig', alg: undefined, key_ops: undefined }] })).keys.size > 0
    } catch {
      return false
    }
  }
  t.same(
    [...readCookbookKeys()].filter(([, jwk]) => taken(jwk)).map(([file]) => file),
    ['jwk_3_1.ec_public_key.json', 'jwk_3_3.rsa_public_key.json']
  )
  const secret = groups.flatMap(({ secretKeys }) => secretKeys)
  t.same(secret.filter(taken), [], `none of ${secret.length} private and symmetric keys`)
  t.end()
})
