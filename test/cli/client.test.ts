import { execFile } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import type { Test } from 'tap'
import { main, printToken } from '../../src/cli/call-api.ts'
import { HELP } from '../../src/cli/call-help.ts'
import { VARIABLES } from '../../src/cli/call-settings.ts'
import { isOwn } from '../../src/config/names.ts'
import { identity } from '../client/certificates.ts'
import { json, listen, silentAddress, tokens } from '../client/fakes.ts'
import type { Respond, Fake } from '../client/fakes.ts'
import { sourceProgram } from '../support/source-program.ts'

const SECRET = 'the-secret-of-this-test'
const TOKEN = 'the.token.itself'
const GREETING = { message: 'Authorization with a scope named test_api_access is required to see this' }

interface Run { readonly code: number, readonly out: string, readonly err: string }
type Env = Record<string, string | undefined>

async function run (t: Test, env: Env, ...args: string[]): Promise<Run> {
  const out: string[] = []
  const err: string[] = []
  const code = await main(env, { write: (text) => out.push(text) }, { write: (text) => err.push(text) }, args)
  const result = { code, out: out.join(''), err: err.join('') }
  t.notMatch(result.out + result.err, new RegExp(`${SECRET}|${TOKEN.replaceAll('.', '\\.')}|token-\\d`), 'no secret, no token')
  return result
}

async function parties (t: Test, token: Respond, respond: Respond): Promise<{ issuer: Fake, api: Fake, env: Env }> {
  const issuer = await listen(t, token)
  const api = await listen(t, respond)
  return { issuer, api, env: { TOKEN_ENDPOINT: `${issuer.url}/token`, API_URL: `${api.url}/api/private-scoped`, CLIENT_SECRET: SECRET } }
}

const good = tokens({ access_token: TOKEN })
const challenge = (status: number, text: string): Respond => json(status, {}, { 'www-authenticate': text })

t.test('the story: the body alone on standard output, the status on standard error, exit 0', async (t) => {
  const { issuer, api, env } = await parties(t, good, json(200, GREETING))
  t.same(await run(t, env), { code: 0, out: `${JSON.stringify(GREETING)}\n`, err: '200 OK\n' })
  t.same(Object.fromEntries(issuer.seen[0]!.form), { scope: 'test_api_access', grant_type: 'client_credentials' })
  t.match(api.seen, [{ method: 'GET', path: '/api/private-scoped', headers: { authorization: `Bearer ${TOKEN}` } }])
})

t.test('an API that offers only the other scheme: what to set', async (t) => {
  const dpop = challenge(401, 'DPoP realm="x", error="invalid_token", algs="ES256"')
  const required = await parties(t, good, dpop)
  t.match(await run(t, required.env), { code: 4, err: /only tokens that are bound to a key.*\(DPoP\)\. Set CLIENT_DPOP=on/ })
  const both = await parties(t, good, json(401, {}, { 'www-authenticate': 'Bearer realm="x", error="invalid_token", DPoP algs="ES256"' }))
  t.match(await run(t, both.env), { err: /of another issuer, for another audience, or expired/ })
  const bound = tokens({ access_token: TOKEN, token_type: 'DPoP' })
  const off = await parties(t, bound, challenge(401, 'Bearer realm="x"'))
  t.match(await run(t, { ...off.env, CLIENT_DPOP: 'on' }), { code: 4, err: /offers the scheme Bearer only\. Remove CLIENT_DPOP/ })
  const named = await parties(t, bound, challenge(401, 'Bearer error="invalid_token"'))
  t.match(await run(t, { ...named.env, CLIENT_DPOP: 'on' }), { err: /of another issuer/ })
  const same = await parties(t, bound, dpop)
  t.match(await run(t, { ...same.env, CLIENT_DPOP: 'on' }), { err: /of another issuer/ })
})

t.test('a response without a body, and one that drives the terminal', async (t) => {
  const { api, env } = await parties(t, good, (response) => response.writeHead(204).end())
  t.same(await run(t, env), { code: 0, out: '', err: '204 No Content\n' })
  api.respond = (response) => response.end('a\u001b[2Jb\u009bc\n\td\r\ne\rf')
  t.equal((await run(t, env)).out, 'a[2Jbc\n\td\r\nef\n')
})

t.test('scopes: several, none, and the way of authentication', async (t) => {
  const { issuer, env } = await parties(t, tokens(), json(200, {}))
  await run(t, { ...env, SCOPE: 'one, two  three' })
  await run(t, env, '--no-scope')
  t.same(issuer.seen.map(({ form }) => form.get('scope')), ['one three two', null])
  const basic = `Basic ${Buffer.from(`other:${SECRET}`).toString('base64')}`
  for (const CLIENT_AUTHENTICATION of [undefined, 'basic', 'client_secret_basic']) {
    await run(t, { ...env, CLIENT_AUTHENTICATION, CLIENT_ID: 'other' })
    t.match(issuer.seen.at(-1), { headers: { authorization: basic } })
  }
  for (const CLIENT_AUTHENTICATION of ['post', 'client_secret_post']) {
    await run(t, { ...env, CLIENT_AUTHENTICATION, CLIENT_SECRET: `${SECRET}\n`, CLIENT_ID: 'other\r\n' })
    t.match(Object.fromEntries(issuer.seen.at(-1)!.form), { client_id: 'other', client_secret: SECRET })
  }
})

t.test('an issuer instead of its token endpoint', async (t) => {
  const { issuer, env } = await parties(t, (response, seen) => {
    const respond = seen.method === 'POST' ? good : json(200, { issuer: issuer.url, token_endpoint: `${issuer.url}/token` })
    respond(response, seen)
  }, json(200, GREETING))
  t.equal((await run(t, { ...env, TOKEN_ENDPOINT: undefined, ISSUER: issuer.url })).code, 0)
})

t.test('an API that sends the token back does not get it printed', async (t) => {
  const echo: Respond = (response, seen) => json(200, { sent: seen.headers.authorization, secret: SECRET })(response, seen)
  const { api, env } = await parties(t, tokens(), echo)
  t.match(await run(t, env), { code: 0, out: /"sent":"Bearer \[hidden\]","secret":"\[hidden\]"/ })
  api.respond = (response, seen) => {
    const isNew = seen.headers.authorization === `Bearer token-${api.seen.length}`
    const respond = isNew && api.seen.length % 2 === 0 ? echo : challenge(401, 'Bearer error="invalid_token"')
    respond(response, seen)
  }
  t.match(await run(t, env), { out: /hidden/ }, 'the second token neither')
})

t.test('who refused, and what to do about it', async (t) => {
  const cases: [string, Respond, Respond, number, RegExp][] = [
    [
      'wrong secret', json(401, { error: 'unauthorized_client' }), json(200, {}), 3,
      /^The issuer does not accept the client id or the secret.*CLIENT_SECRET/
    ],
    ['scope not granted', json(400, { error: 'invalid_scope' }), json(200, {}), 3, /scope "test_api_access"\. Look at SCOPE/],
    [
      'other refusal', json(400, { error: 'access_denied' }), json(200, {}), 3,
      /^The issuer refuses the token request \(access_denied\)\.\n$/
    ],
    ['no token endpoint', json(404, {}), json(200, {}), 5, /not one of a token endpoint.*Look at TOKEN_ENDPOINT/],
    ['issuer overloaded', json(503, {}), json(200, {}), 5, /^The issuer cannot respond now.*npm start/],
    ['token not valid for the API', good, challenge(401, 'Bearer realm="x", error="invalid_token"'), 4, /not valid for it.*AUDIENCE/],
    ['no reason', good, json(401, {}), 4, /\(401, no further reason given\)/],
    [
      'the proof of a key', good, challenge(401, 'DPoP error="invalid_dpop_proof", Bearer realm="x"'), 4,
      /refused the proof of the key \(invalid_dpop_proof\).*PUBLIC_URL/
    ],
    ['forbidden, no reason', good, json(403, {}), 4, /\(403, no further reason given\)/],
    [
      'scope granted but not in the token', good,
      challenge(403, 'Bearer error="insufficient_scope", scope="test_api_access"'), 4,
      /was requested and granted.*"Include in token scope"/
    ],
    [
      'scope not in the token, and a plain 403', tokens({ access_token: TOKEN, scope: 'email' }), json(403, {}), 4,
      /\(403, no further reason given\).*test_api_access was requested.*"Include in token scope"/
    ],
    [
      'another scope required', good, challenge(403, 'Bearer error="insufficient_scope", scope="more"'), 4,
      /the scope more\. Request it with SCOPE="test_api_access more"/
    ],
    ['a role required', good, challenge(403, 'Bearer error="insufficient_scope"'), 4, /it lacks a right\. Request it, and assign it/],
    ['gateway without a service', good, json(502, {}), 5, /cannot respond now \(502\)/],
    ['API draining', good, json(503, {}), 5, /cannot respond now \(503\)/],
    ['not found', good, json(404, {}), 1, /\(404\).*API_URL/],
    ['redirect', good, (response) => response.writeHead(302, { location: '/' }).end(), 1, /redirect \(302\)/],
    ['API cuts the line', good, (response) => response.destroy(), 5, /^The API cannot be reached.*API_URL/],
    [
      'a cut response', good,
      (response) => response.writeHead(200, { 'content-length': '10' }).write('x', () => response.destroy()), 5,
      /began to respond/
    ]
  ]
  for (const [name, token, respond, code, err] of cases) {
    const { env } = await parties(t, token, respond)
    t.match(await run(t, env), { code, err }, name)
  }
})

t.test('arguments: a scope, and a path at the host of API_URL or a whole address', async (t) => {
  const { issuer, api, env } = await parties(t, tokens(), json(200, GREETING))
  t.match(await run(t, env, '--scope', 'reports:read', '/api/reports?a=b'), { code: 0, out: `${JSON.stringify(GREETING)}\n` })
  t.match(await run(t, { ...env, API_URL: undefined }, `${api.url}/other`), { code: 0 })
  t.same(api.seen.map(({ path }) => path), ['/api/reports?a=b', '/other'])
  const [, line = ''] = /^npm run client -- (.+)$/m.exec(readFileSync('README.md', 'utf8')) ?? []
  t.match(await run(t, env, ...line.split(' ')), { code: 0 }, 'as README.md has it')
  t.match([api.seen.at(-1)?.path, issuer.seen.at(-1)?.form.get('scope')], ['/api/reports', 'reports:read'])
  t.same(issuer.seen.map(({ form }) => form.get('scope')), ['reports:read', 'test_api_access', 'reports:read'])
})

t.test('a token whose response lacks a requested scope is used; -v reports it', async (t) => {
  const { env } = await parties(t, tokens({ scope: 'email' }), json(200, GREETING))
  t.match(await run(t, env), { code: 0, err: '200 OK\n' })
  for (const flag of ['-v', '--verbose']) {
    t.match(await run(t, env, flag), { code: 0, err: /^Warning: .*scope test_api_access.*"Include in token scope".*\n200 OK\n$/ })
  }
})

t.test('a secret that may be a word of the API\'s own text does not change the response; a token is hidden all the same', async (t) => {
  const { env } = await parties(t, tokens({ access_token: TOKEN }), (response, seen) => {
    json(200, { message: 'Authorization 1', echo: seen.headers.authorization, 'a-secret-with-digit-9': 1 })(response, seen)
  })
  for (const CLIENT_SECRET of ['1', 'message', 'Authorization', 'e', '"', 'test_api']) {
    t.equal(
      (await run(t, { ...env, CLIENT_SECRET })).out,
      '{"message":"Authorization 1","echo":"Bearer [hidden]","a-secret-with-digit-9":1}\n',
      CLIENT_SECRET
    )
  }
  t.match((await run(t, { ...env, CLIENT_SECRET: 'a-secret-with-digit-9' })).out, '"[hidden]":1')
})

t.test('plain http to another host requires the switch, and is a warning with it', async (t) => {
  const { env } = await parties(t, good, json(200, {}))
  t.match(await run(t, { ...env, API_URL: 'http://api.invalid/' }), { code: 2, err: /API_URL: .*ALLOW_INSECURE_HTTP=on/ })
  const { code, err } = await run(t, {
    ...env, API_URL: 'http://api.invalid/', ALLOW_INSECURE_HTTP: 'on', API_TIMEOUT_SECONDS: '5', TOKEN_TIMEOUT_SECONDS: '5'
  })
  t.equal(code, 5)
  t.match(err, /^Warning: plain http to http:\/\/api\.invalid: /)
})

t.test('nobody there', async (t) => {
  const { env } = await parties(t, good, json(200, {}))
  t.match(
    await run(t, { ...env, TOKEN_ENDPOINT: await silentAddress() }),
    { code: 5, out: '', err: /^The issuer cannot be reached.*ECONNREFUSED/ }
  )
  t.match(await run(t, { ...env, API_URL: await silentAddress() }), { code: 5, out: '', err: /^The API cannot be reached.*ECONNREFUSED/ })
})

t.test('settings that cannot be used: all of them, by the names of the variables, exit 2', async (t) => {
  const bad = {
    TOKEN_ENDPOINT: 'http://issuer.example/token', API_URL: 'api.example', CLIENT_AUTHENTICATION: 'jwt', SCOPE: 'a"b',
    CLIENT_SECRET: SECRET, TOKEN_TIMEOUT_SECONDS: 'ten', API_TIMEOUT_SECONDS: '0', ALLOW_INSECURE_HTTP: 'yes', USE_ENV_PROXY: '1'
  }
  const { code, err } = await run(t, bad)
  t.equal(code, 2)
  t.same(err.match(/^ {2}[A-Z_]+(?=: )/gm)?.map((name) => name.trim()), [
    'TOKEN_ENDPOINT', 'CLIENT_AUTHENTICATION', 'SCOPE', 'API_URL', 'TOKEN_TIMEOUT_SECONDS', 'API_TIMEOUT_SECONDS', 'ALLOW_INSECURE_HTTP',
    'USE_ENV_PROXY'
  ])
  t.match(err, /TOKEN_TIMEOUT_SECONDS: expected a number of seconds from 1 to 30\n/)
  t.match(err, /ALLOW_INSECURE_HTTP=on/, 'the switch is named')
  t.match(await run(t, {}, '--nonsense'), { code: 2, err: /--nonsense[^]*--help/ })
  t.match(await run(t, {}, '/one', '/two'), { code: 2, err: /One path[^]*--help/ })
  for (const target of ['one', '//evil.example', '/\\evil.example', 'ftp://x']) {
    t.match(await run(t, { CLIENT_SECRET: SECRET }, target), { code: 2, err: /API_URL: / }, target)
  }
  t.match(await run(t, { ...bad, TOKEN_ENDPOINT: undefined, ISSUER: 'http://issuer.example' }), { code: 2, err: /^ {2}ISSUER: /m })
})

t.test('--help lists the settings, their defaults and the exit codes', async (t) => {
  const { code, out } = await run(t, {}, '--help')
  t.equal(code, 0)
  for (const text of [
    '$env:SCOPE=', '--scope reports:read /api/reports', 'TOKEN_ENDPOINT', 'CLIENT_ID', 'CLIENT_SECRET', 'SCOPE', 'API_URL',
    'http://localhost:50100/api/private-scoped', '  5  '
  ]) t.ok(out.includes(text), text)
  t.notMatch(out, /demo-secret/)
})

function spawn (cwd: string, env: Env): Promise<Run> {
  const { PATH, SystemRoot } = process.env
  return new Promise((done) => {
    const options = { cwd, env: { PATH, SystemRoot, ...env } }
    const child = execFile(process.execPath, [...sourceProgram('src/cli/client.ts')], options, (_error, out, err) => {
      done({ code: child.exitCode ?? -1, out, err })
    })
  })
}

t.test('as a process: a .env file that the environment overrides, and one that cannot be read', async (t) => {
  const { issuer, env } = await parties(t, good, json(200, GREETING))
  const lines = Object.entries({
    CLIENT_NAME: 'a#b', ...env, CLIENT_ID: 'from-file', SCOPE: 'from-file'
  }).map(([name, value]) => `${name}=${value}`)
  const folder = t.testdir({ good: { '.env': lines.join('\n') }, bad: { '.env': {} } })
  const [fine, unreadable] = await Promise.all([
    spawn(join(folder, 'good'), { CLIENT_ID: 'from-environment', SCOPE: '' }),
    spawn(join(folder, 'bad'), {})
  ])
  t.equal(fine.out, `${JSON.stringify(GREETING)}\n`)
  t.match(fine, { code: 0, err: /^Warning: \.env, line 1: CLIENT_NAME ends before an unquoted #[^\n]*\n200 OK\n$/ })
  t.match(Object.fromEntries(issuer.seen[0]!.form), { scope: 'from-file' })
  t.equal(issuer.seen[0]!.headers.authorization, `Basic ${Buffer.from(`from-environment:${SECRET}`).toString('base64')}`)
  t.match(unreadable, { code: 2, out: '', err: /\.env/ })
  t.notMatch(unreadable.err, /    at /, 'no stack')
})

async function runToken (env: Env, ...args: string[]): Promise<Run> {
  const out: string[] = []
  const err: string[] = []
  const code = await printToken(env, { write: (text) => out.push(text) }, { write: (text) => err.push(text) }, args)
  return { code, out: out.join(''), err: err.join('') }
}

t.test('scopegate token: the token alone on standard output, everything else on standard error', async (t) => {
  const { issuer, env } = await parties(t, tokens({ access_token: TOKEN, scope: 'other' }), json(200, {}))
  t.same(await runToken(env), { code: 0, out: `${TOKEN}\n`, err: '' })
  t.match(
    await runToken(env, '-v', '--scope', 'one two'),
    { code: 0, out: `${TOKEN}\n`, err: /^Warning: .*does not list the requested scope one two/ }
  )
  t.match(await runToken({}, '--help'), { code: 0, out: /scopegate token/, err: '' })
  t.match(await runToken({ ...env, TOKEN_ENDPOINT: await silentAddress() }), { code: 5, out: '', err: /nothing listens/ })
  t.match(await runToken(env, '--unknown'), { code: 2, out: '', err: /See --help/ })
  issuer.respond = json(401, { error: 'invalid_client' })
  t.match(await runToken(env), { code: 3, out: '', err: /does not accept the client id/ })
  t.match(
    await runToken({ ...env, TOKEN_ENDPOINT: 'http://issuer.example', ALLOW_INSECURE_HTTP: 'on', TOKEN_TIMEOUT_SECONDS: '1' }),
    { out: '', err: /^Warning: plain http/ }
  )
})

t.test('credentials from files, audience, resource, authorities, and a step up', async (t) => {
  const { issuer, api, env } = await parties(t, good, json(200, GREETING))
  const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string
  const own = identity('client')
  const folder = t.testdir({ secret: `${SECRET}\n`, key, assertion: 'a.b.c', cert: own.cert, certKey: own.key })
  const at = (name: string): string => join(folder, name)
  const others = { ...env, CLIENT_SECRET: undefined }
  t.match(await run(t, {
    ...others, CLIENT_SECRET_FILE: at('secret'), CLIENT_AUTHENTICATION: 'client_secret_post', TOKEN_AUDIENCE: 'api',
    TOKEN_RESOURCE: 'https://api.example'
  }), { code: 0 })
  t.match(Object.fromEntries(issuer.seen[0]!.form), { client_secret: SECRET, audience: 'api', resource: 'https://api.example' })
  t.match(await run(t, { ...others, CLIENT_KEY_FILE: at('key'), CLIENT_KEY_ID: 'one', CLIENT_KEY_ALGORITHM: 'ES256' }), { code: 0 })
  const [header = ''] = issuer.seen[1]!.form.get('client_assertion')!.split('.')
  t.same(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: 'ES256', typ: 'JWT', kid: 'one' })
  t.match(await run(t, { ...others, CLIENT_ASSERTION_FILE: at('assertion'), CA_FILE: at('cert') }), { code: 0 })
  t.equal(issuer.seen[2]!.form.get('client_assertion'), 'a.b.c')
  t.match(await run(t, { ...others, CLIENT_CERTIFICATE_FILE: at('cert'), CLIENT_CERTIFICATE_KEY_FILE: at('certKey') }), { code: 0 })
  t.same([issuer.seen[3]!.form.get('client_id'), issuer.seen[3]!.headers.authorization], ['test_api_client', undefined])

  api.respond = (response, seen) =>
    (api.seen.length === 5 ? challenge(403, 'Bearer error="insufficient_scope", scope="more"') : json(200, GREETING))(response, seen)
  t.match(await run(t, { ...env, STEP_UP: 'on' }), { code: 0 })
  t.equal(issuer.seen.at(-1)!.form.get('scope'), 'more test_api_access')

  t.match(
    await run(t, { ...env, CLIENT_SECRET_FILE: at('secret') }),
    { code: 2, err: /CLIENT_SECRET: expected CLIENT_SECRET or CLIENT_SECRET_FILE, not both/ }
  )
  t.match(await run(t, { ...env, CLIENT_KEY_FILE: at('key') }), { code: 2, err: /one kind of credentials/ })
  t.match(
    await run(t, { ...others, CLIENT_CERTIFICATE_FILE: at('cert') }),
    { code: 2, err: /CLIENT_CERTIFICATE_FILE: expected .*CLIENT_CERTIFICATE_KEY_FILE/ }
  )
  t.match(
    await run(t, { ...env, CLIENT_MTLS: 'on' }),
    { code: 2, err: /CLIENT_MTLS: expected on, or not set; with CLIENT_CERTIFICATE_FILE/ }
  )
  t.match(await run(t, { ...env, CLIENT_MTLS: 'yes' }), { code: 2, err: /CLIENT_MTLS: expected on, or not set/ })
  t.match(await run(t, { ...others, CLIENT_SECRET_FILE: at('missing') }), { code: 2, err: /ENOENT/ })
  t.match(await run(t, { ...env, CA_FILE: at('missing') }), { code: 2, err: /CA_FILE: expected a file/ })
  t.match(
    await run(t, { ...env, CA_FILE: at('secret'), STEP_UP: 'yes' }),
    { code: 2, err: /CA_FILE: [^]*STEP_UP: expected on, or not set/ }
  )
})

t.test('--help, docs/reference/client.md and the names of .env list the same settings of the client', (t) => {
  const settings = [...Object.values(VARIABLES), 'CLIENT_SECRET_FILE', 'CLIENT_CERTIFICATE_KEY_FILE'].sort()
  const page = readFileSync('docs/reference/client.md', 'utf8')
  t.same([...page.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name).sort(), settings)
  for (const name of settings) {
    t.ok(HELP.includes(name), name)
    t.ok(isOwn(name), name)
  }
  t.end()
})
