import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { serve, type ServerProcess } from './support/server-process.ts'
import { until } from './support/service.ts'

const ISSUER = 'http://127.0.0.1:9/realms/x'

/** Real processes, in parallel: what they wrote when they ended, or had written when they were up. */
async function outcome (server: ServerProcess): Promise<string> {
  const up = (): boolean => /Ctrl-C ends it/.test(server.out()) && /accepts access tokens/.test(server.out())
  await until(() => server.child.exitCode !== null || up(), 150_000)
  if (up()) return server.out()
  await server.code
  return server.err()
}

t.test('no development issuer where it was not requested: the process names what to set, and exits with 1', async (t) => {
  const hunter2 = 'https://u:hunter2@sso.example.com/realms/x'
  const cases = [
    { server: serve(t, { NODE_ENV: '"production"' }), says: /ISSUER: required with NODE_ENV=[^]*AUDIENCE: required/ },
    { server: serve(t, { HOST: '0.0.0.0' }), says: /ISSUER: required with HOST=0\.0\.0\.0/ },
    { server: serve(t, { KEYCLOAK_URL: hunter2 }), says: /KEYCLOAK_URL \(in the environment\): is not read; if it means ISSUER/ },
    { server: serve(t, {}, { file: `issuer=${hunter2}\n` }), says: /issuer \(in \.env\): is not read; if it means ISSUER/ },
    {
      server: serve(t, {}, { file: `# settings\nISSUER: ${hunter2}\n` }), says: /\.env, line 2: is not a setting; write NAME=value \(with =/
    },
    { server: serve(t, {}, { file: Buffer.from(`ISSUER=${hunter2}\n`, 'utf16le') }), says: /\.env: is not text in UTF-8/ },
    {
      server: serve(t, { ISSUER: 'http://keycloak:8080/realms/x', AUDIENCE: 'my api' }),
      says: /ISSUER: expected .*ALLOW_INSECURE_HTTP=on[^]*AUDIENCE: expected names without spaces/
    }
  ]
  for (const { server, says } of cases) {
    const said = await outcome(server)
    t.match(said, /^Scopegate cannot start: (?:an error|\d errors) in the configuration/)
    t.match(said, says)
    t.equal(await server.code, 1)
    t.notMatch(said, /hunter2|^\s+at /m, 'no secret, no stack')
  }
})

t.test('a file as PowerShell or Notepad writes it is read; what stands in it by mistake is a line of the log', async (t) => {
  const file = `ISSUER=${ISSUER}\r\nAUDIENCE=test_api\r\nPORT=0\r\nNODE_EXTRA_CA_CERTS=ca.pem\r\nCLIENT_SECRET=abc#hunter2\r\nFOO=1\r\n`
  const servers = [serve(t, {}, { file: Buffer.from(`\uFEFF${file}`, 'utf16le') }), serve(t, {}, { file: `\uFEFF${file}` })]
  for (const server of servers) {
    const said = await outcome(server)
    t.match(said, `accepts tokens of ${ISSUER} made for test_api`)
    t.match(said, /"level":40,[^\n]*\.env: not settings of this service: FOO"/)
    t.match(said, /"level":40,[^\n]*NODE_EXTRA_CA_CERTS does nothing there/)
    t.match(said, /"level":40,[^\n]*line 5: CLIENT_SECRET ends before an unquoted #/)
    t.notMatch(said, /hunter2/)
  }
})

t.test('an unknown environment with an issuer counts as production, with a warning', async (t) => {
  const server = serve(t, { ISSUER, AUDIENCE: 'test_api', PORT: '0', NODE_ENV: 'Production' })
  await until(() => /accepts access tokens/.test(server.out()), 150_000)
  t.match(server.out(), /"level":40,[^\n]*NODE_ENV=\\"Production\\" is treated as production/)
  t.notMatch(server.out(), /Ctrl-C ends it/, 'no greeting: JSON only')
})

t.test('a stack names the line of the source, as npm start and the image run Node', async (t) => {
  const stackOf = (program: string): Promise<string> => new Promise((resolve) => {
    execFile(process.execPath, ['--enable-source-maps', '-e', program], (_error, _out, err) => resolve(err))
  })
  const stack = await stackOf('import("./dist/src/config.js").then(({ loadConfig }) => loadConfig({ PORT: "x" }))')
  const [, line = ''] = /\(.*\/src\/config\.ts:(\d+):\d+\)/.exec(stack) ?? []
  t.match(readFileSync('src/config.ts', 'utf8').split('\n')[Number(line) - 1], /throw new ConfigError/)
  t.notMatch(stack, /at .*dist\/src\/config\.js/)
  const bundled = await stackOf('import("./dist/src/issuer/development-issuer.js").then((issuer) => issuer.startDevelopmentIssuer(null))')
  t.match(bundled, /TypeError: [^\n]*\n +at [^\n]*\/src\/issuer\/[a-z/-]+\.ts:\d+:\d+/)
  t.match((JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }).scripts.start, /--enable-source-maps/)
  t.match(readFileSync('Dockerfile', 'utf8'), /^ENTRYPOINT .*"--enable-source-maps"/m)
})
