import t from 'tap'
import { retryAfterMs } from '../../src/http/retry-after.ts'

const NOW = Date.UTC(2026, 10, 26, 12, 0, 0)

t.test('Retry-After: seconds, the three forms of a date, and what is neither', (t) => {
  const cases: ReadonlyArray<readonly [string | undefined, number | undefined]> = [
    ['0', 0], ['7', 7000], [' 120 ', 120_000], ['007', 7000], ['9'.repeat(400), Infinity],
    ['Thu, 26 Nov 2026 12:00:30 GMT', 30_000],
    ['Thursday, 26-Nov-26 12:00:30 GMT', 30_000],
    ['Thu Nov 26 12:00:30 2026', 30_000],
    ['Thu Nov  5 12:00:30 2026', 0],
    ['Thu, 26 Nov 2026 11:59:30 GMT', 0],
    [undefined, undefined], ['', undefined], ['soon', undefined], ['-5', undefined], ['+5', undefined], ['1.5', undefined],
    ['0x10', undefined],
    ['1e3', undefined], ['5 seconds', undefined], ['7,7', undefined], ['2026-11-26T12:00:30Z', undefined],
    ['Thu, 26 Nov 2026 12:00:30', undefined],
    ['Thu, 99 Foo 2026 12:00:30 GMT', undefined], ['2026', 2_026_000]
  ]
  for (const [value, expected] of cases) t.equal(retryAfterMs(value, NOW), expected, String(value).slice(0, 40))
  t.end()
})
