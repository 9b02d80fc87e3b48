import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)

t.test('the output is that of the TypeScript compiler', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-tsc-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noCheck', '--outDir', folder])
  const programs = (place: string): string[] =>
    readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js')).sort()
  t.same(programs('dist'), programs(folder))
  for (const file of programs(folder)) t.equal(readFileSync(join('dist', file), 'utf8'), readFileSync(join(folder, file), 'utf8'), file)
})
