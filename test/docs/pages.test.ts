import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, normalize, sep } from 'node:path'
import t from 'tap'

const pages = readdirSync('docs', { recursive: true, encoding: 'utf8' })
  .map((file) => `docs/${file.split(sep).join('/')}`)
  .filter((file) => file.endsWith('.md'))
const read = (file: string): string => readFileSync(file, 'utf8')
const scripts = (JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }).scripts

t.test('docs/README.md is the index: it links every page, in its kind', async (t) => {
  const links = [...read('docs/README.md').matchAll(/\]\(([^)#]+)\)/g)].map(([, target = '']) => normalize(join('docs', target)))
  const problems = pages.filter((page) => page.startsWith('docs/problems/') && page !== 'docs/problems/README.md')
  for (const page of pages.filter((one) => one !== 'docs/README.md' && !problems.includes(one))) {
    t.ok(links.includes(page), `${page} is in the index`)
    t.match(page, /^docs\/(?:(?:tutorial|how-to|reference|explanation|problems)\/[^/]+|runbook\.md)$/, `${page} has its kind`)
  }
})

t.test('docs/reference/commands.md has every npm script that a person runs, and no other', async (t) => {
  const documented = [...read('docs/reference/commands.md').matchAll(/^\| `npm (?:run )?([a-z:-]+)`/gm)].map(([, name = '']) => name)
  // Those that npm itself runs, and those that only run a part of another.
  const internal = /^(?:pre(?!view)|prepack|prepublishOnly|dev:)/
  t.same([...documented].sort(), Object.keys(scripts).filter((name) => !internal.test(name)).sort())
})

t.test('llms.txt: in the package too, and its links lead somewhere', async (t) => {
  const text = read('llms.txt')
  t.match(text, /^# Scopegate\n\n> /)
  for (const [, target = ''] of text.matchAll(/\]\(([^)#]+)\)/g)) t.ok(existsSync(target), target)
  t.ok((JSON.parse(read('package.json')) as { files: string[] }).files.includes('llms.txt'))
})

/** What a line of a fence begins with when it is a command. */
const COMMAND = /^(?:\$ )?(?:sudo )?(?:npm|npx|node|curl|docker|podman|buildah|kubectl|helm|kustomize|git|bash|sh|[\w.-]+\.sh|nginx|envoy|haproxy|caddy|redis-\w+|promtool|openssl|TOKEN=|[A-Z_]+=\$\(|export )/

interface Command { readonly page: string, readonly line: string, readonly ranBy: string | undefined }

/** The commands of a page, with the program that runs them where a comment before the fence, or at the top of the page, names it. */
function commandsOf (page: string): Command[] {
  const text = read(page)
  const whole = /^<!-- commands run by: (\S+) -->$/m.exec(text)?.[1]
  return [...text.matchAll(/(?:<!-- run by: (\S+) -->\n)?(<!-- not run: .+ -->\n)?^(```+)(\w*)\n([^]*?)^\3$/gm)].flatMap(([
    , one, untried, , language = '', body = ''
  ]) => {
    if (untried !== undefined || !['', 'sh', 'bash', 'console', 'shell'].includes(language)) return []
    return body.replace(/\\\n\s*/g, ' ')
      .split('\n')
      .filter((line) => COMMAND.test(line))
      .map((line) => ({ page, line, ranBy: one ?? whole }))
  })
}

/** For pages that are not marked: the program that runs the command, and what of that program shows it. */
const RAN_BY: ReadonlyArray<readonly [command: RegExp, file: string, text: string]> = [
  [/^npm ci && npm run demo\b/, 'test/readme.test.ts', 'dist/src/cli/demo.js'],
  [/^npm (?:ci|start)\b/, 'test/readme.test.ts', 'project(t).start()'],
  [/^curl -i http:\/\/localhost:50100\/api\/private-scoped$/, 'test/readme.test.ts', '/api/private-scoped'],
  [/^TOKEN=\$\(curl /, 'test/readme.test.ts', 'TOKEN='],
  [/^curl http:\/\/localhost:50100\/api\/private-scoped -H/, 'test/readme.test.ts', 'authorization: `Bearer'],
  [/^npm run client -- --scope reports:read/, 'test/cli/client.test.ts', 'npm run client'],
  [/^npm run (?:-s )?access\b/, 'test/readme.test.ts', 'npm run -s access'],
  [/^curl -H "Authorization: Bearer \$\(scopegate token\)" /, 'test/cli/client.test.ts', 'scopegate token: the token alone'],
  [/^kubectl apply -k deploy\/kubernetes\//, 'test/kubernetes/run.mjs', 'deploy/kubernetes'],
  [/^docker build .*-t scopegate \.$/, 'test/image/run.mjs', 'image'],
  [/^npm run check$/, '.ci/run', 'npm run check'],
  [/^npm run (?:doctor|keycloak|bench|demo|client)\b/, 'package.json', '"scripts"']
]

t.test('every command of README.md and of the documentation is run by a test or a script', async (t) => {
  const commands = ['README.md', 'CONTRIBUTING.md', ...pages].flatMap(commandsOf)
  for (const { page, line, ranBy } of commands) {
    for (const [, name = ''] of line.matchAll(/npm run (?:-s )?([a-z:-]+)/g)) t.ok(scripts[name], `${page}: npm run ${name} is a script`)
    if (ranBy !== undefined) {
      t.ok(existsSync(ranBy) && read(ranBy).includes(page.split('/').at(-1) ?? page), `${page}: ${ranBy} runs "${line}"`)
      continue
    }
    const known = RAN_BY.find(([command]) => command.test(line))
    t.ok(known !== undefined && read(known[1]).includes(known[2]), `${page}: "${line}" is run somewhere`)
  }
  t.ok(commands.length > 15, `${commands.length} commands`)
})
