import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { soon } from '../support/keycloak-api.ts'

interface Program { readonly out: () => string, readonly code: Promise<number | null>, readonly end: () => void }

/** A program as built, in an empty folder, with this environment only. */
function start (t: Test, program: string, environment: Record<string, string>): Program {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const { PATH = '', SystemRoot = '' } = process.env
  const child = spawn(process.execPath, [resolve('dist/src', program)], { cwd: folder, env: { PATH, SystemRoot, ...environment } })
  let out = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (part: Buffer) => { out += part.toString() })
  const code = new Promise<number | null>((done) => child.on('close', done))
  t.teardown(async () => {
    child.kill('SIGKILL')
    await code
    rmSync(folder, { recursive: true })
  })
  return { out: () => out, code, end: () => child.kill('SIGTERM') }
}

/** `npm start` and `npm run client` with the settings that `npm run keycloak` prints. */
export async function secondTerminal (t: Test, url: string): Promise<void> {
  const issuer = `${url}/realms/myorg`
  const server = start(t, 'server.js', { ISSUER: issuer, AUDIENCE: 'test_api', PORT: '0' })
  const address = (): string | undefined => /Scopegate .* listens on (http:\S+) and accepts tokens of/.exec(server.out())?.[1]
  await soon(() => address() !== undefined)
  const call = async (environment: Record<string, string>): Promise<{ code: number | null, out: string }> => {
    const client = start(t, 'cli/client.js', { ISSUER: issuer, API_URL: `${address() ?? ''}/api/private-scoped`, ...environment })
    return { code: await client.code, out: client.out() }
  }
  t.match(await call({}), { code: 0, out: /scope named test_api_access is required to see this/ })
  t.match(await call({ CLIENT_ID: 'test_other_client', CLIENT_SECRET: 'test-other-client-demo-secret' }), { code: 3, out: /scope/ })
  t.match(await call({ CLIENT_SECRET: 'wrong' }), { code: 3 })
  t.match(await call({ SCOPE: 'email' }), { code: 4, out: /test_api_access/ })
  server.end()
  t.equal(await server.code, 0)
}
