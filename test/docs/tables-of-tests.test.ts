import { readFileSync } from 'node:fs'
import t from 'tap'

for (const page of ['docs/explanation/limits.md', 'docs/reference/fault-matrix.md']) {
  t.test(`${page}: each row names a test that exists`, async (t) => {
    const rows = readFileSync(page, 'utf8').split('\n').filter((line) => line.startsWith('|') && !/^\|(?:-|.* test \|$)/.test(line))
    t.ok(rows.length > 10)
    for (const row of rows) {
      const [, file = '', name = ''] = /`(test\/[\w/.-]+)`: ?([^|]*?) \|$/.exec(row) ?? []
      if (!t.not(file, '', row)) continue
      const text = readFileSync(file, 'utf8').replaceAll('\\\'', '\'')
      t.ok(text.includes(`t.test('${name}`) || text.includes(`['${name}',`), row)
    }
  })
}

t.test('docs/reference/fault-matrix.md names metrics that exist, and every test of the faults is one of its rows', async (t) => {
  const matrix = readFileSync('docs/reference/fault-matrix.md', 'utf8')
  const metrics = readFileSync('docs/reference/metrics.md', 'utf8')
  for (const [, name = ''] of matrix.matchAll(/`(scopegate_\w+?)(?:_count)?(?:\{[^`]*)?`/g)) {
    t.ok(/_$|…/.test(name) || metrics.includes(`| \`${name}\` |`), name)
  }
  for (const file of ['issuer', 'callers', 'process', 'client']) {
    const text = readFileSync(`test/faults/${file}.test.ts`, 'utf8')
    const names = [...text.matchAll(/t\.test\('([^']+)'|^ {2}\['([^']+)', \w/gm)].map(([, one, other]) => one ?? other ?? '')
    t.ok(names.length > 5)
    for (const name of names) t.ok(matrix.includes(`\`test/faults/${file}.test.ts\`: ${name} |`), name)
  }
})
