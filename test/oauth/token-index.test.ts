import { randomBytes, randomInt } from 'node:crypto'
import t from 'tap'
import type { Entry } from '../../src/oauth/entry-list.ts'
import { principalOf } from '../../src/oauth/principal.ts'
import { TokenIndex, numberOf } from '../../src/oauth/token-index.ts'

const COUNT = 10_000
const principal = principalOf({ iss: 'i', exp: 1 })
const entryOf = (text: string): Entry => ({
  text, principal, key: { kid: 'k', alg: 'RS256', pem: '', alive: true },
  wholeSeconds: 0, used: false, deadlineMs: 0, bytes: 1, list: undefined, before: undefined, after: undefined
})
const textOf = (): string => `Bearer x.${randomBytes(256).toString('base64url')}`

/** As the cache finds an entry. */
function found (index: TokenIndex, text: string): Entry | undefined {
  const entry = index.candidate(text)
  return entry?.text === text ? entry : undefined
}

/** Made by trial: the first place of each is in the last sixteenth of the table, whatever its size, where there is not room for all. */
const crowded: string[] = []
while (crowded.length < 200) {
  const text = textOf()
  if (Math.imul(numberOf(text), 0x9E37_79B1) >>> 28 === 15) crowded.push(text)
}

for (const [alg, signatureBytes] of [['RS256', 256], ['ES256', 64], ['ES512', 132]] as const) {
  t.test(`signatures of ${alg}: each token has a place of its own, and the places are two to four times the tokens`, async (t) => {
    const index = new TokenIndex()
    const texts = Array.from({ length: COUNT }, () => `Bearer x.${randomBytes(signatureBytes).toString('base64url')}`)
    const entries = texts.map(entryOf)
    // 32 bits: of 10,000 tokens two have the same number once in a hundred runs.
    const lost = entries.filter((entry) => index.set(entry) !== undefined).length
    t.ok(lost <= 2, `${lost} lost their place`)
    t.equal(index.size, COUNT - lost)
    t.equal(texts.filter((text) => found(index, text)?.text === text).length, COUNT - lost)
    t.ok(index.places >= 2 * index.size && index.places <= 4 * index.size, `${index.places} places`)
    for (const entry of entries) index.delete(entry)
    t.same({ size: index.size, places: index.places }, { size: 0, places: 64 })
  })
}

t.test('tokens that come and go at random: each that is there is found, and no other', async (t) => {
  for (let run = 0; run < 20; run++) {
    const index = new TokenIndex()
    const entries = crowded.map(entryOf)
    const present = new Set<Entry>()
    for (let step = 0; step < 600; step++) {
      const entry = entries[randomInt(entries.length)] as Entry
      if (present.delete(entry)) index.delete(entry)
      else {
        present.add(entry)
        index.set(entry)
      }
      const wrong = entries.filter((one) => (found(index, one.text) === one) !== present.has(one))
      if (wrong.length > 0 || index.size !== present.size) return t.fail(`step ${step}: ${wrong.length} of ${index.size}`)
    }
  }
  t.pass()
})

t.test('tokens that all have their first place at the end of the table: it grows, and each is found', async (t) => {
  const index = new TokenIndex()
  const entries = crowded.map(entryOf)
  for (const entry of entries) {
    t.equal(index.set(entry), undefined)
    index.set(entry)
  }
  t.equal(index.size, 200)
  t.ok(entries.every((entry) => found(index, entry.text) === entry))
  t.equal(new Set(Array.from({ length: 5 }, () => index.part(5)).flat()).size, 200)
  const { places } = index
  t.ok(places > 8 * 200)
  index.part(5)
  t.equal(index.places, places, 'and keeps its size, since half of it has no room for them')
  t.ok(entries.every((entry) => found(index, entry.text) === entry))
  for (const [at, entry] of entries.entries()) {
    index.delete(entry)
    t.ok(entries.slice(at + 1).every((other) => found(index, other.text) === other), `without ${at + 1} of them`)
  }
  t.same({ size: index.size, places: index.places }, { size: 0, places: 64 })
})

for (const [name, { calls, more, fewer, isSwept }] of Object.entries({
  'as it is': { calls: 20, more: 0, fewer: 0, isSwept: false },
  'those of a part are deleted': { calls: 21, more: 0, fewer: 0, isSwept: true },
  'it grows meanwhile': { calls: 40, more: 3_000, fewer: 0, isSwept: false },
  'others are deleted': { calls: 21, more: 0, fewer: 950, isSwept: false }
})) {
  t.test(`in ${calls} calls for a twentieth each entry comes; ${name}`, async (t) => {
    const index = new TokenIndex()
    const entries = Array.from({ length: 1000 }, () => entryOf(textOf()))
    for (const entry of entries) index.set(entry)
    // Not from the beginning of a round.
    for (let n = 0; n < 7; n++) index.part(20)
    const missed = new Set(entries)
    for (let n = 0; n < calls; n++) {
      // 2,048 places and what is behind them, of which half are taken.
      const most = Math.max(index.size, 1000) / 10 + 20
      const part = index.part(20)
      if (part.length > most) t.fail(`a part has ${part.length}`)
      for (const entry of part) {
        missed.delete(entry)
        if (isSwept) index.delete(entry)
      }
      if (n !== 9) continue
      for (let at = 0; at < more; at++) index.set(entryOf(textOf()))
      for (const entry of entries.slice(0, fewer)) {
        missed.delete(entry)
        index.delete(entry)
      }
    }
    t.equal(missed.size, 0)
    if (isSwept) t.equal(index.size, 0)
  })
}

t.test('when most have gone, it takes less memory after a round; when all have, at once', async (t) => {
  const index = new TokenIndex()
  const entries = Array.from({ length: 1000 }, () => entryOf(textOf()))
  for (const entry of entries) index.set(entry)
  const most = index.places
  for (const entry of entries.slice(0, 900)) index.delete(entry)
  t.equal(index.places, most)
  for (let n = 0; n < 21; n++) index.part(20)
  t.equal(index.places, most / 2)
  t.equal(entries.filter((entry) => found(index, entry.text) === entry).length, 100)
  for (const entry of entries) index.delete(entry)
  t.same({ size: index.size, places: index.places }, { size: 0, places: 64 })
})

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
