import t from 'tap'
import { EntryList, type Entry } from '../../src/oauth/entry-list.ts'
import { principalOf } from '../../src/oauth/principal.ts'

const principal = principalOf({ iss: 'i', exp: 1 })
const entryOf = (text: string, bytes: number): Entry => ({
  text, principal, key: { kid: 'k', alg: 'RS256', pem: '', alive: true },
  wholeSeconds: 0, used: false, deadlineMs: 0, bytes, list: undefined, before: undefined, after: undefined
})

/** The texts from the oldest on; fails where the way back is another. */
function textsOf (list: EntryList): string {
  let texts = ''
  let last: Entry | undefined
  for (let entry = list.oldest; entry !== undefined; entry = entry.after) {
    if (entry.before !== last) throw new Error(`before ${entry.text} comes ${entry.before?.text}`)
    if (entry.list !== list) throw new Error(`${entry.text} is in another list`)
    texts += entry.text
    last = entry
  }
  return texts
}

t.test('in order of arrival, whichever leaves and comes again, with the bytes of those that are in it', async (t) => {
  const orders = ['abcd', 'dcba', 'bcda', 'cbad', 'acbd', 'dbac']
  for (const order of orders) {
    const list = new EntryList()
    const entries = new Map(['a', 'b', 'c', 'd'].map((text, n) => [text, entryOf(text, 10 ** n)]))
    for (const entry of entries.values()) list.add(entry)
    t.same([textsOf(list), list.bytes], ['abcd', 1111])
    let texts = 'abcd'
    for (const text of order) {
      const entry = entries.get(text) as Entry
      list.remove(entry)
      texts = texts.replace(text, '')
      t.equal(textsOf(list), texts, `${order}: ${text} has left`)
      t.match(entry, { list: undefined, before: undefined, after: undefined }, 'which holds nothing any more')
      list.add(entry)
      t.equal(textsOf(list), texts + text, `${order}: ${text} has come again`)
      list.remove(entry)
    }
    t.same([list.oldest, list.bytes], [undefined, 0])
  }
})

t.test('an entry goes from one list to another', async (t) => {
  const [from, to] = [new EntryList(), new EntryList()]
  const entries = ['a', 'b', 'c'].map((text) => entryOf(text, 1))
  for (const entry of entries) from.add(entry)
  const [, second] = entries as [Entry, Entry, Entry]
  from.remove(second)
  to.add(second)
  t.same([textsOf(from), from.bytes, textsOf(to), to.bytes], ['ac', 2, 'b', 1])
})
