import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'

for (const name of ['keycloak-connect', 'fastify-jwt-jwks', 'fastify-jwt-get-jwks', 'express-oauth2-jwt-bearer']) {
  t.test(`the code after of from-${name}.md runs`, (t) => {
    const [, after = ''] = /```ts\n([^]*?)```/.exec(readFileSync(`docs/how-to/from-${name}.md`, 'utf8')) ?? []
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
