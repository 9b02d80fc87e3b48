import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import { project, up, type Project, type Started } from '../support/project.ts'

const run = promisify(execFile)
const PAGE = readFileSync('docs/tutorial/first-api.md', 'utf8')

/** A fence of the page: what stands before it in a comment, its language, its text. */
interface Fence { readonly edit: string | undefined, readonly language: string, readonly text: string }

const fences: readonly Fence[] = [...PAGE.matchAll(/(?:<!-- (.+?) -->\n)?^```(\w*)\n([^]*?)^```$/gm)]
  .map(([, edit, language = '', text = '']) => ({ edit, language, text: text.trimEnd() }))

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
const pattern = (sample: string): RegExp => new RegExp(sample.split(/\n?\[…\]\n?/).map(escaped).join('[^]*?'))

function apply (edit: string, text: string, { edit: change }: Project): void {
  const [, file = '', anchor] = /^(?:insert|replace): (\S+)(?: below: (.+))?$/.exec(edit) ?? []
  change(file, (before) => {
    const [from = '', to = ''] = text.split('\n')
    const after = anchor === undefined
      ? before.replace(from, to)
      : before.replace(new RegExp(`^.*${escaped(anchor)}.*$`, 'm'), (line) => `${line}\n${text}`)
    if (after === before) throw new Error(`${file}: nothing to edit as ${edit}`)
    return after
  })
}

t.test('the tutorial, command by command, with the output that it shows', async (t) => {
  const own = project(t)
  own.copySources()
  let server: Started = own.start()
  await up(server)
  let token = ''
  let commands = 0
  let edits = 0
  const [first, ...rest] = fences
  t.equal(first?.text, 'npm ci\nnpm start')
  for (const [at, { edit, language, text }] of rest.entries()) {
    if (edit !== undefined) {
      if (server.child.exitCode === null) server.child.kill('SIGKILL')
      await server.code
      apply(edit, text, own)
      edits++
    }
    if (language !== 'sh') continue
    if (edits > 0 && server.child.killed) {
      await run(process.execPath, ['tools/build.mjs'], { cwd: own.folder })
      server = own.start()
      await up(server)
      t.notMatch(server.out(), 'No token has the scope')
    }
    const script = `TOKEN=${token}\n${text}\nprintf '\\n%s\\n' "$TOKEN"`.replaceAll('http://localhost:50100', server.api()).replaceAll(
      'http://localhost:8080/realms/myorg',
      server.issuer()
    )
    const env = {
      ...process.env, API_URL: `${server.api()}/api/private-scoped`, TOKEN_ENDPOINT: `${server.issuer()}/protocol/openid-connect/token`
    }
    const { stdout } = await run('bash', ['-c', script], { cwd: own.folder, env })
    const lines = stdout.replaceAll('\r', '').replace(/\n$/, '').split('\n')
    token = lines.pop() ?? ''
    const expected = rest[at + 1]
    t.equal(expected?.language, '', `${text}: its output follows`)
    t.match(lines.join('\n'), pattern(expected?.text ?? ''), text)
    commands++
  }
  t.equal(commands, 7)
  t.equal(edits, 4)
})
