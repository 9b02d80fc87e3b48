import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { get } from 'node:http'
import { promisify } from 'node:util'
import t from 'tap'
import { project, up } from './support/project.ts'

const run = promisify(execFile)
const README = readFileSync('README.md', 'utf8')

/** The blocks that README.md marks as output of a program. `[…]` in them is a cut. */
const samples = (name: string): readonly string[] =>
  [...README.matchAll(new RegExp(`<!-- sample: ${name} -->\\n\`\`\`\\n([^]*?)\`\`\`\\n`, 'g'))].map(([, text = '']) => text)

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Every line of a sample as a pattern, in its order; a cut stands for anything. */
const pattern = (sample: string): RegExp => new RegExp(sample.trimEnd().split('[…]').map(escaped).join('[^]*?'))

interface Received { readonly head: readonly string[], readonly body: string }

const call = (url: string, headers: Readonly<Record<string, string>> = {}): Promise<Received> => new Promise((resolve, reject) => {
  get(url, { headers, agent: false }, (response) => {
    let body = ''
    response.setEncoding('utf8').on('data', (part: string) => { body += part }).on('end', () => {
      const lines = Object.entries(response.headers).map(([name, value]) => `${name}: ${String(value)}`)
      resolve({ head: [`HTTP/${response.httpVersion} ${String(response.statusCode)} ${String(response.statusMessage)}`, ...lines], body })
    })
  }).on('error', reject)
})

t.test('the output of the demo is what README.md shows', async (t) => {
  const { stdout } = await run(process.execPath, ['dist/src/cli/demo.js'])
  const [sample = ''] = samples('demo')
  t.match(stdout, pattern(sample))
})

t.test('the greeting, the refusal and the response are what README.md shows', async (t) => {
  const server = project(t).start()
  await up(server)
  const shown = server.out()
    .replaceAll(server.api(), 'http://localhost:50100')
    .replaceAll(server.issuer(), 'http://localhost:8080/realms/myorg')
  t.match(shown, pattern(samples('start')[0] ?? ''))
  const [refused = '', accepted = ''] = samples('call')

  const [headers = '', body = ''] = refused.split('\n\n')
  const { head, body: sent } = await call(`${server.api()}/api/private-scoped`)
  for (const line of headers.split('\n')) t.ok(head.includes(line), line)
  t.match(sent, pattern(body))

  const commands = /^TOKEN=\$\((curl [^]*?)\| node -pe/m.exec(README)?.[1] ?? ''
  t.match(shown, commands, 'the commands are those that are printed')
  const form = new URLSearchParams([...commands.matchAll(/-d (\S+)/g)].map(([, parameter = '']) => parameter).join('&'))
  const credentials = { CLIENT_ID: form.get('client_id') ?? '', CLIENT_SECRET: form.get('client_secret') ?? '' }
  const env = { ...process.env, ...credentials, ISSUER: server.issuer(), AUDIENCE: 'test_api' }
  const { stdout } = await run(process.execPath, ['dist/src/cli/doctor.js'], { env }).catch((error: { stdout: string }) => error)
  t.match(stdout.replaceAll(server.issuer(), 'http://localhost:8080/realms/myorg'), pattern(samples('doctor')[0] ?? ''))
  const response = await fetch(`${server.issuer()}/protocol/openid-connect/token`, { method: 'POST', body: form })
  const { access_token: token } = await response.json() as { access_token: string }
  t.equal((await call(`${server.api()}/api/private-scoped`, { authorization: `Bearer ${token}` })).body, accepted.trimEnd())
})

t.test('the commands that print JSON print nothing else', async (t) => {
  const { stdout } = await run('npm', ['run', '-s', 'access', '--', '--json'], { shell: process.platform === 'win32' })
  t.ok((JSON.parse(stdout) as unknown[]).length > 0)
  t.same(JSON.parse((await run(process.execPath, ['dist/src/cli/access.js', '--json'])).stdout), JSON.parse(stdout))
  t.match(README, 'npm run -s access -- --json')
})
