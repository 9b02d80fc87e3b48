import { once } from 'node:events'
import { execFile, spawn } from 'node:child_process'
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { until } from '../support/service.ts'

const run = promisify(execFile)

interface Project {
  readonly folder: string
  readonly write: (file: string, text: string) => void
  readonly built: (file: string) => string
  readonly build: () => Promise<{ code: number, stdout: string, stderr: string }>
  /** Every file of dist/ with what a writer would change. */
  readonly state: () => Readonly<Record<string, string>>
}

/** A project of two sources with the build program of this one. `like`: another one, as it was built. */
function project (t: Test, like?: Project): Project {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-build-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }))
  if (like !== undefined) cpSync(join(like.folder, 'dist'), join(folder, 'dist'), { recursive: true })
  for (const name of ['src/deep', 'plugins', 'routes', 'tools']) mkdirSync(join(folder, name), { recursive: true })
  for (const name of ['tools/build.mjs', 'tools/bundle.mjs', 'tools/output.mjs', 'tools/transpile.mjs', 'tsconfig.json', 'package.json']) {
    cpSync(name, join(folder, name))
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  const write = (file: string, text: string): void => writeFileSync(join(folder, file), text)
  write(
    'src/a.ts',
    'import { b } from \'./deep/b.ts\'\nimport type { C } from \'./c.ts\'\nexport const a: C = await import(\'./deep/b.ts\') && b\n'
  )
  write('src/deep/b.ts', 'export const b: number = 1\n')
  const dist = join(folder, 'dist')
  return {
    folder,
    write,
    built: (file) => readFileSync(join(dist, file), 'utf8'),
    build: () => run(process.execPath, [join(folder, 'tools/build.mjs')]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }), (error: unknown) => error as { code: number, stdout: string, stderr: string }),
    state: () =>
      Object.fromEntries(readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) => statSync(join(dist, file)).isFile())
        .map((file) => { const { ino, mtimeMs, size } = statSync(join(dist, file)); return [file, `${ino} ${mtimeMs} ${size}`] }))
  }
}

const silent = { code: 0, stdout: '', stderr: '' }

const built = project(t)

t.test('a build, and a second one that writes nothing', async (t) => {
  const { build, built: read, state } = built
  t.match(await build(), silent)
  t.equal(
    read('src/a.js'),
    'import { b } from "./deep/b.js";\nexport const a = await import("./deep/b.js") && b;\n//# sourceMappingURL=a.js.map'
  )
  t.same((JSON.parse(read('src/deep/b.js.map')) as { sources: string[] }).sources, ['../../../src/deep/b.ts'])
  const before = state()
  t.equal(Object.keys(before).length, 5)
  t.match(await build(), silent)
  t.same(state(), before)
})

t.test('only what changed is written, and what has no source any more is deleted', async (t) => {
  const { folder, write, build, built: read, state } = project(t, built)
  const before = state()
  write('src/deep/b.ts', 'export const b: number = 2\n')
  await build()
  t.match(read('src/deep/b.js'), 'b = 2')
  t.equal(state()['src/a.js'], before['src/a.js'])
  write('src/deep/b.ts', 'export const b: string = 2\n')
  const { 'src/deep/b.js': output } = state()
  await build()
  t.equal(state()['src/deep/b.js'], output, 'a change of types alone changes no program')
  rmSync(join(folder, 'src/a.ts'))
  await build()
  t.notOk(existsSync(join(folder, 'dist/src/a.js')))
  t.notOk(existsSync(join(folder, 'dist/src/a.js.map')))
  rmSync(join(folder, 'dist/src/deep/b.js'))
  await build()
  t.match(read('src/deep/b.js'), 'b = 2', 'an output that is missing is made again')
  write('dist/src/deep/b.js', 'another program wrote this')
  await build()
  t.match(read('src/deep/b.js'), 'b = 2', 'so is one that another program wrote')
})

t.test('a syntax error: file, line and column, exit code 1, and the last output stays', async (t) => {
  const { write, build, built: read } = project(t, built)
  write('src/deep/b.ts', '\nexport const b = (\n')
  t.match(await build(), { code: 1, stdout: '', stderr: /^src\/deep\/b\.ts:2:19 Expression expected\.\n/ })
  t.match(read('src/deep/b.js'), 'b = 1')
  t.match(await build(), { code: 1 }, 'until it is mended')
  write('src/deep/b.ts', 'export const b = 3\n')
  t.match(await build(), silent)
  t.match(read('src/deep/b.js'), 'b = 3')
})

t.test('two builds at the same time do not disturb each other', async (t) => {
  const { build, state } = project(t)
  for (const outcome of await Promise.all([build(), build()])) t.match(outcome, silent)
  t.same(Object.keys(state()).sort(), ['.build.json', 'src/a.js', 'src/a.js.map', 'src/deep/b.js', 'src/deep/b.js.map'])
})

t.test('watching: a change is built, also after a syntax error', async (t) => {
  const { folder, write, built: read } = project(t, built)
  const child = spawn(process.execPath, [join(folder, 'tools/build.mjs'), '--watch'])
  const ended = once(child, 'close')
  // Its folder is removed afterwards.
  t.teardown(async () => {
    child.kill()
    await ended
  })
  let err = ''
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  // It says nothing when it begins: the change is made again until it is seen.
  const again = setInterval(() => write('src/deep/b.ts', 'export const b = (\n'), 500)
  t.teardown(() => clearInterval(again))
  write('src/deep/b.ts', 'export const b = (\n')
  await until(() => err.includes('src/deep/b.ts:'), 30_000)
  clearInterval(again)
  write('src/deep/b.ts', 'export const b = 4\n')
  await until(() => read('src/deep/b.js').includes('b = 4'), 30_000)
})

t.test('a fresh clone without its packages: one sentence, which says what to run', async (t) => {
  const { folder, build } = project(t)
  rmSync(join(folder, 'node_modules'))
  t.match(await build(), { code: 1, stdout: '', stderr: /^The packages of this project are not installed\. Run: npm ci\n$/ })
})
