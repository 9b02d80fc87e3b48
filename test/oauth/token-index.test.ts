import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Entry } from '../../src/oauth/entry-list.ts'
import { principalOf } from '../../src/oauth/principal.ts'
import { TokenIndex } from '../../src/oauth/token-index.ts'

const COUNT = 10_000
const principal = principalOf({ iss: 'i', exp: 1 })
const entryOf = (text: string): Entry => ({
  text, principal, key: { kid: 'k', alg: 'RS256', pem: '', alive: true },
  deadlineMs: 0, bytes: 1, used: false, list: undefined, before: undefined, after: undefined
})

/** As the cache finds an entry. */
function found (index: TokenIndex, text: string): Entry | undefined {
  const entry = index.candidate(text)
  return entry?.text === text ? entry : undefined
}

for (const [alg, signatureBytes] of [['RS256', 256], ['ES256', 64], ['ES512', 132]] as const) {
  t.test(`signatures of ${alg}: each token has a place of its own, and no map holds more than a small part, ` +
    'so that none takes long to grow', async (t) => {
    const index = new TokenIndex()
    const texts = Array.from({ length: COUNT }, () => `Bearer x.${randomBytes(signatureBytes).toString('base64url')}`)
    const entries = texts.map(entryOf)
    // 36 bits: two of 10,000 tokens have the same number once in a thousand runs.
    const lost = entries.filter((entry) => index.set(entry) !== undefined).length
    t.ok(lost <= 1, `${lost} lost their place`)
    t.equal(index.size, COUNT - lost)
    t.equal(texts.filter((text) => found(index, text)?.text === text).length, COUNT - lost)
    const largest = Math.max(...index.shards.map(({ size }) => size))
    t.ok(largest < COUNT / 20, `the largest: ${largest}`)
    t.equal(new Set(index.values()).size, COUNT - lost, 'each once')
    for (const entry of entries) index.delete(entry)
    t.equal(index.size, 0)
  })
}

t.test('two tokens with the same characters in that place: only the same text, whole, is found, ' +
  'and the newer one has the place', async (t) => {
  const index = new TokenIndex()
  const place = 'abcdefghijklmnopqrstuvw'
  const [first, second] = [entryOf(`Bearer first.${place}`), entryOf(`Bearer second.${place}`)]
  t.equal(index.set(first), undefined)
  t.equal(found(index, second.text), undefined)
  t.equal(index.set(second), first, 'which lost its place')
  t.equal(found(index, first.text), undefined)
  t.equal(found(index, second.text), second)
  t.equal(index.size, 1)
  index.delete(first)
  t.equal(found(index, second.text), second, 'what takes the place of an entry does not leave with it')
})

t.test('each of the characters of the place counts, and each bit of them', async (t) => {
  for (const place of ['abcdefghijklmnopqrstuvw', 'bcdefghijklmnopqrstuvwx']) {
    const index = new TokenIndex()
    index.set(entryOf(`Bearer ${place}`))
    for (let at = 0; at < 6; at++) {
      const neighbour = String.fromCharCode(place.charCodeAt(at) + 1)
      t.equal(index.set(entryOf(`Bearer ${place.slice(0, at)}${neighbour}${place.slice(at + 1)}`)), undefined, `character ${at}`)
    }
    t.equal(index.size, 7)
  }
})

t.test('a text that is too short to be a token is looked up like any other', async (t) => {
  const index = new TokenIndex()
  for (const text of ['', 'x', 'x'.repeat(20)]) t.equal(found(index, text), undefined, `${text.length} characters`)
})
