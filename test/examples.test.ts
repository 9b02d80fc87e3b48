import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { parseRealm, startDevelopmentIssuer } from '../src/issuer/development-issuer.ts'
import { json, listen } from './client/fakes.ts'
import type { Respond } from './client/fakes.ts'

const run = promisify(execFile)
const python = await run('python3', ['--version']).then(() => true, () => false)
const skip = python ? false : 'python3 is not there'

interface Outcome { readonly code: number, readonly stdout: string, readonly stderr: string }

/** A client of `examples/` as a stranger runs it. Not checked: how long it takes. */
async function runExample (command: string, file: string, env: Record<string, string>): Promise<Outcome> {
  const { PATH, SystemRoot } = process.env
  return await run(command, [file], { env: { PATH, SystemRoot, ...env } }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: unknown) => error as Outcome
  )
}

const GREETING = 'Authorization with a scope named test_api_access is required to see this'

/** The development issuer and the service, for the addresses that an example needs. */
async function addresses (t: Test): Promise<Record<string, string>> {
  const issuer = await startDevelopmentIssuer({ realm: parseRealm(JSON.parse(readFileSync('keycloak/myorg-realm.json', 'utf8'))) })
  const app = await buildApp(loadConfig({ ISSUER: issuer.issuer, AUDIENCE: 'test_api' }))
  const api = await app.listen({ host: 'localhost', port: 0 })
  t.teardown(async () => {
    await app.close()
    await issuer.close()
  })
  return { TOKEN_ENDPOINT: issuer.tokenEndpoint, API_URL: `${api}/api/private-scoped` }
}

t.test('the Python client gets a token and prints the response of the API', { skip }, async (t) => {
  const { code, stdout, stderr } = await runExample('python3', 'examples/python/client.py', await addresses(t))
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), { message: GREETING })
  t.equal(code, 0)
})

t.test('the Python client says who refused, and follows no redirect with the token', { skip }, async (t) => {
  const elsewhere = await listen(t, json(200, {}))
  const cases: [string, Respond, RegExp][] = [
    ['TOKEN_ENDPOINT', json(401, { error: 'invalid_client' }), /\/token responded with 401: .*invalid_client/],
    ['API_URL', json(403, { title: 'Forbidden' }), /\/api responded with 403: .*Forbidden/],
    ['API_URL', (response) => response.writeHead(302, { location: elsewhere.url }).end(), /\/api responded with 302/]
  ]
  for (const [variable, respond, message] of cases) {
    const refusing = await listen(t, respond)
    const env = { ...await addresses(t), [variable]: `${refusing.url}${variable === 'API_URL' ? '/api' : '/token'}` }
    const { code, stdout, stderr } = await runExample('python3', 'examples/python/client.py', env)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, message)
    t.notMatch(stderr, /Traceback|eyJ/)
  }
  t.equal(elsewhere.seen.length, 0)
})
