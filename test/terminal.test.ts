import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { newKey, TestIssuer } from './support/issuer.ts'
import { raw, statusOf } from './support/raw.ts'
import { until } from './support/service.ts'

const skip = hasScript() ? false : 'script of util-linux is not here'

function hasScript (): boolean {
  try {
    return /util-linux/.test(execFileSync('script', ['--version'], { encoding: 'utf8' }))
  } catch {
    return false
  }
}

/** The service on a terminal of its own; what that terminal receives, byte for byte. */
function onTerminal (t: Test, env: Readonly<Record<string, string>>): () => string {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const command = `exec ${process.execPath} ${resolve('dist/src/server.js')}`
  const child = spawn(
    'script',
    ['-qec', command, '/dev/null'],
    { cwd: folder, env: { PATH: process.env.PATH ?? '', TERM: 'xterm-256color', ...env } }
  )
  let received = ''
  child.stdout.on('data', (chunk: Buffer) => { received += chunk.toString() })
  t.teardown(async () => {
    const ended = new Promise((done) => child.on('close', done))
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  })
  return () => received
}

/** Clears a terminal, changes its colour and title, turns the text round, forges a line. */
const HOSTILE = '\u001b[2J\u001b[31m\u001b]0;title\u0007\u009b2J\u202e\r\nforged'
/** What a terminal would obey of it, beside the colours of pino-pretty itself. */
const OBEYED = /\u001b\[2J|\u001b\]|\u0007|[\u0080-\u009f]|\u202e|^forged/m

t.test('nothing of a token, a path or a header is obeyed by the terminal that the log is written to', { skip }, async (t) => {
  const issuer = await TestIssuer.start(newKey('ES256'))
  t.teardown(() => issuer.stop())
  const received = onTerminal(t, {
    ISSUER: issuer.issuer, AUDIENCE: 'test_api', ALGORITHMS: 'ES256', HOST: '127.0.0.1', PORT: '0', AUDIT: 'on'
  })
  await until(() => /listens on \S+ and/.test(received()) && issuer.fetches > 0, 60_000)
  const url = /listens on (\S+) and/.exec(received())?.[1]?.replace('localhost', '127.0.0.1') ?? ''
  const get = async (authorization: string, path = '/api/private'): Promise<number> =>
    (await fetch(`${url}${path}`, { headers: { authorization } })).status
  const tokens = [
    { aud: HOSTILE }, { azp: HOSTILE, client_id: HOSTILE, aud: 'other' }, { sub: HOSTILE, jti: HOSTILE, azp: HOSTILE, client_id: HOSTILE }
  ]
  for (const [at, claims] of tokens.entries()) t.equal(await get(`Bearer ${issuer.token(claims)}`), at === 2 ? 200 : 401)
  t.equal(await get(`Bearer ${issuer.token({}, { kid: HOSTILE })}`), 401)
  t.equal(await get('Bearer a', `/${encodeURIComponent(HOSTILE)}`), 404)
  t.equal(statusOf(await raw({ url }, `GET /\u001b[2J HTTP/1.1\r\nHost: a\r\nX-Request-Id: \u001b[2J\r\n\r\n`, 20_000)), 400)
  await until(() => received().split('audit').length > 4 && received().includes('key_unknown') &&
    received().includes('a request that cannot be read'), 20_000)
  t.match(received(), 'forged', 'the values are in the log')
  const text = received().replace(/\u001b\[\d+m/g, '')
  t.match(text, /audit: allowed GET \/api\/private \S.* http:\/\/localhost:/, 'an audit line says who and where')
  t.match(text, /audit: refused GET \/api\/private/)
  t.match(text, /a request that cannot be read 400/)
  t.notMatch(received(), OBEYED)
  t.match(received(), '\u001b[', 'the log was written for a terminal')
})
