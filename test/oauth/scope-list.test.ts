import t from 'tap'
import { scopeList } from '../../src/oauth/scope-list.ts'

t.test('the words of a scope claim, in their order', async (t) => {
  t.strictSame(scopeList('email profile test_api_access'), ['email', 'profile', 'test_api_access'])
  t.strictSame(scopeList('b a'), ['b', 'a'])
  t.ok(Object.isFrozen(scopeList('b a')))
})

t.test('tokens with the same text share one list, also where other texts came between', async (t) => {
  const list = scopeList('email shared')
  scopeList('email other')
  t.equal(scopeList('email shared'), list)
})

t.test('with a text of its own in each token, only so many lists are kept', async (t) => {
  const first = scopeList('document:first')
  for (let at = 0; at < 256; at++) scopeList(`document:${at}`)
  const again = scopeList('document:first')
  t.not(again, first)
  t.strictSame(again, first)
})

t.test('a very long text is a list of its own token', async (t) => {
  const long = Array.from({ length: 60 }, (_, at) => `scope:${at}`).join(' ')
  const list = scopeList(long)
  t.equal(list.length, 60)
  t.not(scopeList(long), list)
  t.strictSame(scopeList(long), list)
  t.ok(Object.isFrozen(list))
})
