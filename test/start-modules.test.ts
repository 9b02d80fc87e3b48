// In a process of its own: it looks at what is loaded.
import { readFileSync, rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { undici, undiciClass } from '../src/http/undici.ts'
import { serve } from './support/server-process.ts'
import { until } from './support/service.ts'

/** Runs before the program: writes the address of every script that V8 has compiled, when the process ends. */
const RECORDER = `
  import { Session } from 'node:inspector'
  import { writeFileSync } from 'node:fs'
  const urls = []
  const session = new Session()
  session.connect()
  session.on('Debugger.scriptParsed', ({ params }) => urls.push(params.url))
  session.post('Debugger.enable')
  process.on('exit', () => writeFileSync(process.env.LOADED, JSON.stringify(urls)))
`

/** The files that a process had loaded when it ended. */
async function loadedBy (t: Test, env: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'scopegate-loaded-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const file = join(folder, 'loaded.json')
  const server = serve(t, { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', PORT: '0', LOADED: file, ...env }, {
    node: [`--import=data:text/javascript,${encodeURIComponent(RECORDER)}`]
  })
  await until(() => /cannot be fetched[^]*accepts access tokens/.test(server.out()), 60_000)
  server.child.kill('SIGINT')
  t.equal(await server.code, 0)
  return JSON.parse(readFileSync(file, 'utf8')) as string[]
}

/** The sources that the files of the service were made of, by their place in the checkout. */
function sourcesOf (files: readonly string[]): readonly string[] {
  return ours(files).flatMap((file) => (JSON.parse(readFileSync(`${fileURLToPath(file)}.map`, 'utf8')) as { sources: string[] }).sources)
    .map((source) => source.replace(/^(\.\.\/)+/, ''))
}

const ours = (files: readonly string[]): string[] => of(files, /^(?!.*\/node_modules\/).*\/dist\//)
const of = (files: readonly string[], part: RegExp): string[] => files.filter((file) => part.test(file))
const LAZY =
  /\/node_modules\/(?:typebox|env-schema|@fastify\/(?:swagger|cors|rate-limit|jwt)|fast-jwt|asn1\.js|bn\.js|yaml|ioredis|@prometheus-io|@opentelemetry)\//

t.test('a start in production loads nothing that production does not serve', async (t) => {
  const files = await loadedBy(t, { NODE_ENV: 'production' })
  t.same(of(files, LAZY), [])
  const sources = sourcesOf(files)
  t.same(of(sources, /^src\/(?:issuer|cli|client)\/|^routes\/(?:access-page|description)|^plugins\/(?:metrics|cors|openapi)\.ts/), [])
  t.ok(sources.includes('plugins/auth.ts') && sources.length > 100, 'the list holds what was loaded')
  t.ok(ours(files).length < 20, `bundled: ${ours(files).length} files of ${sources.length} sources`)
  const undiciFiles = of(files, /\/node_modules\/undici\//).length
  t.ok(undiciFiles > 0 && undiciFiles < 50, `${undiciFiles} files of undici, with the key set requested; the whole has 110`)
})

t.test('what is switched on is loaded', async (t) => {
  const files = await loadedBy(t, { NODE_ENV: 'production', CORS_ORIGINS: 'https://app.example.com' })
  t.ok(of(files, /@fastify\/cors/).length > 0)
  t.ok(sourcesOf(files).includes('plugins/cors.ts'))
})

t.test('a class of undici comes from its own file, or from the whole package where that file has moved', async (t) => {
  t.equal(undiciClass('Agent', 'dispatcher/agent.js'), undici().Agent)
  t.equal(undiciClass('Agent', 'moved/agent.js'), undici().Agent)
})
