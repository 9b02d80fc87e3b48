/** Run by memory.mjs with --expose-gc: what the cache holds, as the service fills it. Prints JSON. */
import { AUDIENCE, claimsOf, forgedSignature, newKey, signingInput } from '../issuer.mjs'

const { readCredentials } = await import('../../dist/src/oauth/credentials.js')
const { InvalidToken } = await import('../../dist/src/oauth/errors.js')
const { TrustedIssuers } = await import('../../dist/src/oauth/trusted-issuers.js')
const { Verification } = await import('../../dist/src/oauth/verification.js')
const { loadConfig } = await import('../../dist/src/config.js')

const ISSUER = 'https://sso.example.com/realms/myorg'
const MILLION = Number(process.env.TOKENS ?? 1_000_000)
const HOT = 1_000
const { kid } = newKey()
const KEY = { kid, alg: 'RS256', pem: '', alive: true }

/** What the signature check would have found. */
let forged = false

/** Everything but RSA itself: with a million tokens that would be all that is measured. */
const verificationOf = (cacheMb) => new Verification({
  issuers: new TrustedIssuers([{ ...loadConfig({ ISSUER, AUDIENCE }), keyring: { key: () => KEY } }]),
  cacheBytes: cacheMb * 2 ** 20,
  addressOf: () => '',
  hasLeft: () => false,
  verifierOf: () => () => { if (forged) throw new InvalidToken('signature_invalid') }
})

/** As it comes from Node's parser: one text for the header's value, not shared with anything. */
function received (roles) {
  const token = `${signingInput(kid, claimsOf(ISSUER, roles))}.${forgedSignature()}`
  return readCredentials(Buffer.from(`Bearer ${token}`).toString('latin1')).token
}

const identify = async (verification, token) => verification.recall(`Bearer ${token}`) ?? await verification.verify(token)

async function heapBytes () {
  await new Promise((resolve) => setImmediate(resolve))
  for (let at = 0; at < 3; at++) globalThis.gc()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

async function perToken (roles) {
  const count = 10_000
  const verification = verificationOf(1024)
  for (let at = 0; at < 1_000; at++) await identify(verificationOf(1), received(roles))
  const before = await heapBytes()
  for (let at = 0; at < count; at++) await identify(verification, received(roles))
  const held = Math.round((await heapBytes() - before) / count)
  if (verification.cache.size !== count) throw new Error(`${verification.cache.size} of ${count} tokens are in the cache`)
  const estimated = Math.round(verification.cache.bytes / count)
  // Its timer would keep the whole cache alive through the measurements that follow.
  verification.cache.close()
  return { tokenLength: received(roles).length, held, estimated }
}

async function flood (verification, count, bad) {
  forged = bad
  for (let at = 0; at < count; at++) {
    try {
      await identify(verification, received(0))
    } catch (error) {
      if (!bad) throw error
    }
  }
}

const small = await perToken(0)
const large = await perToken(104)

const verification = verificationOf(32)
const hot = Array.from({ length: HOT }, () => received(0))
for (let pass = 0; pass < 2; pass++) for (const token of hot) await identify(verification, token)
await flood(verification, 40_000, false)
const mib = async () => Math.round(await heapBytes() / 2 ** 20 * 100) / 100
const full = await mib()
await flood(verification, MILLION, true)
const afterBad = await mib()
await flood(verification, MILLION, false)
const afterGood = await mib()
const hotHits = hot.filter((token) => verification.cache.get(`Bearer ${token}`, Date.now()) !== undefined).length

process.stdout.write(JSON.stringify({
  perToken: [small, large],
  heapMiB: { full, afterBad, afterGood },
  cached: verification.cache.size,
  cacheMiB: verification.cache.bytes / 2 ** 20,
  hot: HOT,
  hotHits
}))
