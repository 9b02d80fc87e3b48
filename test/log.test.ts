import t from 'tap'
import { keptEscapes, printableLine } from '../src/log.ts'

/** Escape sequences, C1 controls, directions, line separators. */
const HOSTILE = 'a\u001b[31m\u009b2J\u007f\u202e\u2028\ufeff\r\b é \\u001b'

t.test('a line of the log is printable ASCII and holds the same values', async (t) => {
  const line = `${JSON.stringify({ msg: HOSTILE })}\n`
  t.match(printableLine(line), /^[\x20-\x7E]*\n$/)
  t.same(JSON.parse(printableLine(line)), { msg: HOSTILE })
  t.equal(printableLine('{"msg":"plain"}\n'), '{"msg":"plain"}\n')
})

t.test('on a terminal no value can move the cursor, change colours or turn the text round', async (t) => {
  const { msg } = JSON.parse(keptEscapes(JSON.stringify({ msg: HOSTILE }))) as { msg: string }
  t.equal(msg, 'a\\u001b[31m\\u009b2J\\u007f\\u202e\\u2028\\ufeff\\r\\b é \\u001b')
})
