import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import t from 'tap'

/** Who may import whom (CONTRIBUTING.md). A part may always import its own files. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'src/server.ts': ['src/tick-objects.ts', 'src/early-signals.ts', 'src/start.ts'],
  'src/start.ts': [
    'src/about.ts', 'src/config.ts', 'src/app.ts', 'src/development.ts', 'src/log.ts', 'src/management.ts',
    'src/shutdown.ts', 'src/start-error.ts', 'plugins/limited-server.ts'
  ],
  'src/development.ts': ['src/config.ts', 'src/issuer', 'routes/scopes.ts'],
  'src/shutdown.ts': ['src/early-signals.ts', 'src/log.ts'],
  'src/early-signals.ts': [],
  'src/management.ts': ['plugins', 'routes'],
  'src/start-error.ts': ['src/config.ts', 'src/options/quote.ts'],
  'src/about.ts': [],
  'src/tick-objects.ts': [],
  'src/events.ts': [],
  'src/traces.ts': [],
  'src/app.ts': ['src/about.ts', 'src/config.ts', 'src/guard-options.ts', 'src/log-line.ts', 'src/oauth', 'plugins', 'routes'],
  'src/guard-options.ts': ['src/config.ts', 'src/oauth/clock.ts', 'src/options', 'plugins/scopegate.ts', 'routes/scopes.ts'],
  'src/options': [
    'src/http', 'src/oauth/algorithms.ts', 'src/oauth/access-policy.ts', 'src/oauth/key-set-source.ts', 'src/oauth/near-miss.ts'
  ],
  'src/testing.ts': ['src/issuer'],
  'src/config.ts': ['src/config', 'src/options', 'src/oauth/algorithms.ts'],
  'src/config': ['src/http', 'src/options', 'src/oauth/algorithms.ts', 'src/oauth/near-miss.ts'],
  'src/log.ts': ['src/config.ts', 'src/block-writer.ts', 'src/log-line.ts'],
  'src/log-line.ts': [],
  'src/block-writer.ts': [],
  'src/oauth': ['src/http'],
  'src/client': ['src/events.ts', 'src/traces.ts', 'src/http'],
  'src/http': [],
  'src/issuer': ['src/http/text.ts'],
  'src/cli': [
    'src/about.ts', 'src/oauth', 'src/client', 'src/http', 'src/options/issuer-options.ts', 'src/options/issuer-checks.ts',
    'src/config.ts', 'src/config/environment.ts', 'src/app.ts', 'src/issuer'
  ],
  tools: ['src/issuer', 'src/config.ts'],
  plugins: ['src/tick-objects.ts', 'src/events.ts', 'src/log-line.ts', 'src/traces.ts', 'src/oauth', 'src/http', 'src/options'],
  routes: [
    'src/http/addresses.ts', 'src/http/bounded-fetch.ts', 'src/http/html.ts', 'src/oauth/algorithms.ts',
    'src/oauth/access-policy.ts', 'src/oauth/access-matrix.ts', 'src/oauth/resource-metadata.ts'
  ]
}

const files = ['src', 'plugins', 'routes', 'tools'].flatMap((folder) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file.split(sep).join('/')}`))
  .filter((file) => file.endsWith('.ts'))
const partOf = (file: string): string =>
  Object.keys(ALLOWED).sort((a, b) => b.length - a.length).find((part) => file === part || file.startsWith(`${part}/`)) ?? file

function importsOf (file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'([^']+)'/g)].map(([, name = '']) => name)
}

t.test('data travels one way: who imports whom', async (t) => {
  for (const file of files) {
    const part = partOf(file)
    const allowed = ALLOWED[part]
    if (!t.ok(allowed, `${file} has a place`)) continue
    for (const name of importsOf(file).filter((one) => one.startsWith('.'))) {
      const target = normalize(join(dirname(file), name)).split(sep).join('/')
      t.ok(partOf(target) === part || allowed?.some((one) => target === one || target.startsWith(`${one}/`)), `${file} imports ${target}`)
    }
  }
})

t.test('the rules know nothing of Fastify, and only the development start imports the issuer, when none is configured', async (t) => {
  for (const file of files.filter((one) => one.startsWith('src/oauth') || one.startsWith('src/client') || one.startsWith('src/http'))) {
    t.notOk(importsOf(file).some((name) => /fastify/.test(name)), file)
  }
  const development = readFileSync('src/development.ts', 'utf8')
  t.notMatch(development, /^import (?!type)[^\n]*issuer/m)
  t.match(development, /await import\('\.\/issuer\/development-issuer\.ts'\)/)
})

t.test('the environment is read in one file', async (t) => {
  t.same(
    files.filter((file) => /process\.env\b/.test(readFileSync(file, 'utf8').replace(/\/\*\*[^]*?\*\//g, ''))),
    ['src/config/environment.ts']
  )
})

t.test('one file knows get-jwks, and of the rules it alone reaches the network', async (t) => {
  t.same(files.filter((file) => importsOf(file).includes('get-jwks')), ['src/oauth/get-jwks-source.ts'])
  t.same(files.filter((file) => file.startsWith('src/oauth') &&
    importsOf(file).some((name) => /\/http\/|^undici|^node:(?:http|net)/.test(name))), ['src/oauth/get-jwks-source.ts'])
})
