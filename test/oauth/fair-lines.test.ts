import t from 'tap'
import { FairLines, LINES } from '../../src/oauth/fair-lines.ts'

t.test('a caller has the same line when the lines of so many others were asked for that its own is not remembered any more', async (t) => {
  const lines = new FairLines<string>()
  const caller = { address: '192.0.2.1', client: 'reports' }
  const wordy = { address: '192.0.2.1', client: 'x'.repeat(1_000) }
  lines.push(caller, 'first')
  lines.push(wordy, 'long name')
  for (let at = 0; at < 3_000; at++) lines.push({ address: `198.51.100.${at % 250}`, client: `client ${at}` }, 'of another')
  lines.push(caller, 'second')
  t.same(lines.take(caller), ['first', 'second'])
  t.same(lines.take(wordy), ['long name'])
  t.equal(lines.length, 3_000)
})

t.test('callers are spread over the lines, by address and by client', async (t) => {
  const lines = new FairLines<number>()
  // One line served in turn with another: of 1,000 addresses with one request each, the first 200 turns serve 200 addresses.
  for (let at = 0; at < 1_000; at++) lines.push({ address: `203.0.${at >> 8}.${at & 255}`, client: 'x' }, at)
  const served = new Set(Array.from({ length: LINES / 2 }, () => lines.shift()))
  t.equal(served.size, LINES / 2)
})
