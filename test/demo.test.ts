import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'

/** A program of ours, as built, in a process of its own. */
async function run (program: string, env: Record<string, string> = {}): Promise<{ code: number | null, out: string, err: string }> {
  const child = spawn(process.execPath, [program], { env: { ...process.env, ...env } })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, out, err }
}

t.test('the demo runs every step, asserts it, and leaves nothing running', async (t) => {
  const { code, out, err } = await run('dist/src/cli/demo.js')
  t.equal(code, 0, err)
  const statuses = [...out.matchAll(/^ {4}(\d{3}) /gm)].map(([, status]) => Number(status))
  t.same(statuses, [200, 401, 200, 403, 200, 201, 401, 401, 401])
  t.match(out, /WWW-Authenticate: Bearer realm="scopegate", error="insufficient_scope"[^\n]*scope="test_api_access"/)
  t.match(out, /scope_refused/)
  t.match(out, /credentials_refused/)
  t.match(out, /All 11 steps passed/)
  t.notMatch(out + err, /eyJ|demo-secret/, 'no token, no secret')
})

t.test('every file that the README names is there, and every command is one', async (t) => {
  const readme = readFileSync('README.md', 'utf8')
  t.ok(readme.split('\n').length <= 200, `${readme.split('\n').length} lines`)
  for (const [, path = ''] of readme.matchAll(/\]\(([^)#]+)\)/g)) t.ok(readFileSync(path).length > 0, path)
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const [, name = ''] of readme.matchAll(/npm run ([a-z:]+)/g)) t.ok(scripts[name], `npm run ${name}`)
  for (const [name, script] of Object.entries(scripts)) t.notMatch(script, /&&|\|\||[;|><$`]|^\w+=/, `${name} holds no shell syntax`)
})
