import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { json, listen } from './client/fakes.ts'
import type { Answer } from './client/fakes.ts'

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

/** Strict stand-ins for the development issuer and the API; the addresses are all that an example needs. */
async function addresses (t: Test): Promise<Record<string, string>> {
  const issuer = await listen(t, (response, { method, path, headers, form }) => {
    const expected = { grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: 'test-api-client-demo-secret', scope: 'test_api_access' }
    const isForm = headers['content-type'] === 'application/x-www-form-urlencoded'
    t.same({ method, isForm, form: Object.fromEntries(form) }, { method: 'POST', isForm: true, form: expected })
    t.equal(path, '/realms/myorg/protocol/openid-connect/token')
    json(200, { access_token: 'the.token.itself', expires_in: 300, token_type: 'Bearer', scope: 'email test_api_access' })(response, {} as never)
  })
  const api = await listen(t, (response, seen) => {
    const { method, headers } = seen
    t.match({ method, headers }, { method: 'GET', headers: { 'content-type': 'application/json' } })
    const answer = headers.authorization === 'Bearer the.token.itself' ? json(200, { message: GREETING }) : json(401, {})
    answer(response, seen)
  })
  return { TOKEN_ENDPOINT: `${issuer.url}/realms/myorg/protocol/openid-connect/token`, API_URL: `${api.url}/api/private-scoped` }
}

t.test('the Python client gets a token and prints the answer of the API', { skip }, async (t) => {
  const { code, stdout, stderr } = await runExample('python3', 'examples/python/client.py', await addresses(t))
  t.equal(stderr, '')
  t.same(JSON.parse(stdout), { message: GREETING })
  t.equal(code, 0)
})

t.test('the Python client says who refused, and follows no redirect with the token', { skip }, async (t) => {
  const elsewhere = await listen(t, json(200, {}))
  const cases: [string, Answer, RegExp][] = [
    ['TOKEN_ENDPOINT', json(401, { error: 'invalid_client' }), /\/token answered 401: .*invalid_client/],
    ['API_URL', json(403, { title: 'Forbidden' }), /\/api answered 403: .*Forbidden/],
    ['API_URL', (response) => response.writeHead(302, { location: elsewhere.url }).end(), /\/api answered 302/]
  ]
  for (const [variable, answer, message] of cases) {
    const refusing = await listen(t, answer)
    const env = { ...await addresses(t), [variable]: `${refusing.url}${variable === 'API_URL' ? '/api' : '/token'}` }
    const { code, stdout, stderr } = await runExample('python3', 'examples/python/client.py', env)
    t.equal(code, 1)
    t.equal(stdout, '')
    t.match(stderr, message)
    t.notMatch(stderr, /Traceback|the\.token\.itself/)
  }
  t.equal(elsewhere.seen.length, 0)
})
