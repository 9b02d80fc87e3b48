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

/** Made by trial: the first place of each is in the last sixteenth of the table, whatever its size, where there is not room for all. */
const crowded: string[] = []
/** Those that were tried and are elsewhere. */
const elsewhere: string[] = []
while (crowded.length < 200) {
  const text = textOf()
  const texts = Math.imul(numberOf(text), 0x9E37_79B1) >>> 28 === 15 ? crowded : elsewhere
  texts.push(text)
}

for (const [alg, signatureBytes] of [['RS256', 256], ['ES256', 64], ['ES512', 132]] as const) {
  t.test(`signatures of ${alg}: each token has a place of its own, and the places are two to four times the tokens`, async (t) => {
    const index = new TokenIndex()
    const texts = Array.from({ length: COUNT }, () => `Bearer x.${randomBytes(signatureBytes).toString('base64url')}`)
    const entries = texts.map(entryOf)
    t.same(entries.filter((entry) => index.set(entry) !== undefined), [], 'none lost its place')
    t.equal(index.size, COUNT)
    t.ok(entries.every((entry) => index.find(entry.text) === entry))
    t.ok(index.places >= 2 * index.size && index.places <= 4 * index.size, `${index.places} places`)
    for (const entry of entries) index.delete(entry)
    t.same({ size: index.size, places: index.places }, { size: 0, places: 64 })
  })
}

t.test('tokens that come and go at random: each that is there is found, and no other', async (t) => {
  for (let run = 0; run < 20; run++) {
    const index = new TokenIndex()
    const entries = crowded.slice(0, 60).map(entryOf)
    const present = new Set<Entry>()
    for (let step = 0; step < 600; step++) {
      const entry = entries[randomInt(entries.length)] as Entry
      if (present.delete(entry)) index.delete(entry)
      else {
        present.add(entry)
        if (index.set(entry) !== undefined) return t.fail(`step ${step}: another has lost its place`)
      }
      const wrong = entries.filter((one) => (index.find(one.text) === one) !== present.has(one))
      if (wrong.length > 0 || index.size !== present.size) return t.fail(`step ${step}: ${wrong.length} of ${index.size}`)
    }
  }
  t.pass()
})

t.test('tokens that all have their first place at the end of the table: some lose theirs, and memory stays as for any', async (t) => {
  const index = new TokenIndex()
  const kept = new Set<Entry>()
  for (const entry of crowded.map(entryOf)) {
    kept.add(entry)
    const lost = index.set(entry)
    if (lost !== undefined) t.ok(kept.delete(lost), 'one that was kept')
    t.equal(index.set(entry), entry, 'and itself, when it comes again')
  }
  t.same({ size: index.size, places: index.places }, { size: 80, places: 256 })
  t.equal(kept.size, 80)
  t.same(new Set(Array.from({ length: 5 }, () => index.part(5)).flat()), kept)
  const left = [...kept]
  for (const [at, entry] of left.entries()) {
    index.delete(entry)
    t.equal(index.find(entry.text), undefined)
    t.ok(left.slice(at + 1).every((other) => index.find(other.text) === other), `without ${at + 1} of them`)
  }
  t.same({ size: index.size, places: index.places }, { size: 0, places: 64 })
})

t.test('a table keeps its size where half of it has no room for what is left', async (t) => {
  const index = new TokenIndex()
  const [others, entries] = [elsewhere.slice(0, 700).map(entryOf), crowded.slice(0, 140).map(entryOf)]
  for (const entry of [...others, ...entries]) index.set(entry)
  for (const entry of others) index.delete(entry)
  t.same({ size: index.size, places: index.places }, { size: 140, places: 2_048 })
  for (let n = 0; n < 11; n++) index.part(5)
  t.same({ size: index.size, places: index.places }, { size: 140, places: 2_048 })
  t.ok(entries.every((entry) => index.find(entry.text) === entry))
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
  t.equal(entries.filter((entry) => index.find(entry.text) === entry).length, 100)
  for (const entry of entries) index.delete(entry)
  t.same({ size: index.size, places: index.places }, { size: 0, places: 64 })
})

t.test('two tokens with the same characters in that place: each is found, whole, and neither disturbs the other', async (t) => {
  const index = new TokenIndex()
  const place = 'abcdefghijklmnopqrstuvw'
  const [first, second] = [entryOf(`Bearer first.${place}`), entryOf(`Bearer second.${place}`)]
  t.equal(index.set(first), undefined)
  t.equal(index.find(second.text), undefined)
  t.equal(index.set(second), undefined)
  t.same([index.find(first.text), index.find(second.text), index.size], [first, second, 2])
  const again = entryOf(first.text)
  t.equal(index.set(again), first, 'the same text has one place')
  index.delete(first)
  t.equal(index.find(first.text), again, 'what takes the place of an entry does not leave with it')
  index.delete(again)
  t.same([index.find(first.text), index.find(second.text), index.size], [undefined, second, 1])
})

t.test('each of the characters of the place counts, and each bit of them', async (t) => {
  for (const place of ['abcdefghijklmnopqrstuvw', 'bcdefghijklmnopqrstuvwx']) {
    const numbers = new Set([numberOf(place)])
    for (let at = 0; at < 6; at++) {
      const neighbour = String.fromCharCode(place.charCodeAt(at) + 1)
      numbers.add(numberOf(`${place.slice(0, at)}${neighbour}${place.slice(at + 1)}`))
    }
    t.equal(numbers.size, 7)
  }
})

t.test('a text that is too short to be a token is looked up like any other', async (t) => {
  const index = new TokenIndex()
  for (const text of ['', 'x', 'x'.repeat(20)]) t.equal(index.find(text), undefined, `${text.length} characters`)
})
