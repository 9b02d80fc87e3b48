import { randomBytes } from 'node:crypto'
import t from 'tap'
import type { Entry } from '../../src/oauth/entry-list.ts'
import { principalOf } from '../../src/oauth/principal.ts'
import { tailOf } from '../../src/oauth/token-cache.ts'
import { TokenIndex } from '../../src/oauth/token-index.ts'

const COUNT = 10_000
const principal = principalOf({ iss: 'i', exp: 1 })
const entryOf = (tail: string): Entry => ({
  tail, token: tail, principal, key: { kid: 'k', alg: 'RS256', pem: '', alive: true },
  deadlineMs: 0, bytes: 1, used: false, list: undefined, before: undefined, after: undefined
})

for (const [alg, signatureBytes] of [['RS256', 256], ['ES256', 64], ['ES512', 132]] as const) {
  t.test(`signatures of ${alg}: no map holds more than a small part, so that none takes long to grow`, async (t) => {
    const index = new TokenIndex()
    const tails = new Set<string>()
    while (tails.size < COUNT) tails.add(tailOf(randomBytes(signatureBytes).toString('base64url')))
    for (const tail of tails) index.set(tail, entryOf(tail))
    t.equal(index.size, COUNT)
    const largest = Math.max(...index.shards.map(({ size }) => size))
    t.ok(largest < COUNT / 20, `the largest: ${largest}`)
    t.same(new Set(Array.from(index.values(), ({ tail }) => tail)), tails, 'each once')
    for (const tail of tails) index.delete(tail)
    t.equal(index.size, 0)
  })
}

t.test('a text that is too short to be a token is looked up like any other', async (t) => {
  const index = new TokenIndex()
  for (const tail of ['', 'x', 'x'.repeat(20)]) t.equal(index.get(tail), undefined, `${tail.length} characters`)
})
