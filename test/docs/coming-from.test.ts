import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'

/** The code after of each page; most pages have the same. The code before needs the packages that it names: npm run package:test. */
const pages = readdirSync('docs/how-to').filter((name) => /^from-.*\.md$/.test(name))
const blocks = new Map(pages.map((name) => [name, /```ts\n([^]*?)```/.exec(readFileSync(`docs/how-to/${name}`, 'utf8'))?.[1] ?? '']))

t.equal(pages.length, 4)
for (const after of new Set(blocks.values())) {
  const names = pages.filter((name) => blocks.get(name) === after).join(', ')
  t.test(`the code after of ${names} runs`, (t) => {
    const program = `import { createTestIssuer } from 'scopegate/testing'
const issuer = createTestIssuer({ alg: 'RS256', issuer: 'https://id.example.com/realms/myorg' })
${after.replace('audience: \'my-api\'', 'audience: \'my-api\', keys: issuer.keys').replace(/^await app\.listen.*$/m, '')}
for (const claims of [{ aud: 'my-api', scope: 'reports:read' }, { aud: 'my-api' }, { aud: 'account' }]) {
  const headers = { authorization: 'Bearer ' + issuer.sign(claims) }
  for (const url of ['/api/private', '/api/reports']) console.log((await app.inject({ url, headers })).statusCode)
}`
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-'], { input: program, encoding: 'utf8', env: {} })
    t.equal(stdout.trim(), '200\n200\n200\n403\n401\n401', stderr)
    t.end()
  })
}
