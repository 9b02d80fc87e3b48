import t from 'tap'
import { RecentNames } from '../../src/oauth/recent-names.ts'

t.test('a name is remembered until the latest of its times, to the millisecond', async (t) => {
  let nowMs = 0
  const names = new RecentNames(10, () => nowMs)
  for (const untilMs of [100, 300, 200, 300]) names.add('a', untilMs)
  nowMs = 299
  t.equal(names.has('a'), true)
  t.equal(names.has('b'), false)
  nowMs = 300
  t.equal(names.has('a'), false)
  names.add('a', 400)
  t.equal(names.has('a'), true, 'and again when it comes again')
})

t.test('beyond the bound the name leaves that was added or renewed longest ago', async (t) => {
  const names = new RecentNames(3, () => 0)
  for (const name of ['a', 'b', 'c']) names.add(name, 100)
  t.same(['a', 'b', 'c'].map((name) => names.has(name)), [true, true, true], 'as many as the bound')
  names.add('a', 200)
  names.add('d', 100)
  t.same(['a', 'b', 'c', 'd'].map((name) => names.has(name)), [true, false, true, true])
})
