import t from 'tap'
import { pino } from 'pino'
import { keptEscapes } from '../src/log.ts'
import { jsonLine, printableLine } from '../src/log-line.ts'

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

t.test('the line of a request is what pino writes for the same members, in printable ASCII', async (t) => {
  const timeless = (line: string): string => line.replace(/"time":\d+/, '"time":0')
  const lines: string[] = []
  const logger = pino({ base: null }, { write: (line) => { lines.push(printableLine(line)) } })
  const all = [
    {},
    { reqId: 'b6e5b40a-baa2', method: 'GET', route: '/items/:id', status: 200, ms: 0.25, address: '::1', client: undefined, jti: '' },
    { hint: 'The "quoted" one, C:\\x', long: 'a'.repeat(500), hostile: HOSTILE, pair: '\u{1F600}', half: '\ud800' },
    { missing: ['a', 'b'], nested: { deep: [1, null, true, HOSTILE] }, no: null, yes: true, not: Number.NaN, big: 1e21, minus: -0 }
  ]
  for (const members of all) {
    for (const level of ['info', 'warn'] as const) {
      logger[level](members, 'request')
      t.equal(timeless(jsonLine(level, members, 'request')), timeless(lines.pop() ?? ''))
    }
  }
  t.ok(Math.abs(Number(/"time":(\d+)/.exec(jsonLine('info', {}, 'request'))?.[1]) - Date.now()) < 10_000)
})
