import { readFileSync } from 'node:fs'
import t from 'tap'

for (const page of ['docs/explanation/limits.md', 'docs/reference/fault-matrix.md']) {
  t.test(`${page}: each row names a test that exists`, async (t) => {
    const rows = readFileSync(page, 'utf8').split('\n').filter((line) => line.startsWith('|') && !/^\|(?:-|.* test \|$)/.test(line))
    t.ok(rows.length > 10)
    for (const row of rows) {
      const [, file = '', name = ''] = /`(test\/[\w/.-]+)`: ?([^|]*?) \|$/.exec(row) ?? []
      if (!t.not(file, '', row)) continue
      t.match(readFileSync(file, 'utf8').replaceAll('\\\'', '\''), `t.test('${name}`, row)
    }
  })
}
