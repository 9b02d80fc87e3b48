import { execFile } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'

const run = promisify(execFile)

/** What is made of several sources. */
const isBundled = (file: string): boolean =>
  /^src[/\\](?:server|cli[/\\]healthcheck|issuer[/\\]development-issuer)\.js$|^src[/\\]chunks[/\\]/.test(file)

t.test('the output is that of the TypeScript compiler, but for what is bundled', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-tsc-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json', '--noCheck', '--outDir', folder])
  const programs = (place: string): string[] =>
    readdirSync(place, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js')).sort()
  const compiled = programs(folder).filter((file) => !isBundled(file))
  t.same(programs('dist').filter((file) => !isBundled(file)), compiled)
  t.equal(programs(folder).length - compiled.length, 3)
  for (const file of compiled) t.equal(readFileSync(join('dist', file), 'utf8'), readFileSync(join(folder, file), 'utf8'), file)
})

t.test('in the image: the service and its health check alone, nothing of the development issuer', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-image-build-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  for (const name of ['src', 'plugins', 'routes', 'tools', 'tsconfig.json', 'package.json']) {
    cpSync(name, join(folder, name), { recursive: true })
  }
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'))
  await run(process.execPath, ['tools/build.mjs', '--image'], { cwd: folder })
  const files = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' }).filter((file) => !/(^|[/\\])[a-z]+$/.test(file))
  t.same(files.filter((file) => !/[/\\]chunks[/\\].*\.js(?:\.map)?$/.test(file)).map((file) => file.replaceAll('\\', '/')).sort(), [
    'src/cli/healthcheck.js', 'src/cli/healthcheck.js.map', 'src/server.js', 'src/server.js.map'
  ])
  const sources = files.filter((file) => file.endsWith('.map'))
    .flatMap((file) => (JSON.parse(readFileSync(join(folder, 'dist', file), 'utf8')) as { sources: string[] }).sources)
  t.ok(sources.some((source) => source.endsWith('/src/oauth/verification.ts')))
  t.same(sources.filter((source) => /\/src\/(?:issuer|client)\/|\/tools\//.test(source)), [])
})
