import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import t from 'tap'
import type { ClientErrorCode, ClientOptions } from '../../src/client/client.ts'
import { drip } from '../support/wire.ts'
import { json, listen, SECRET, silentAddress, story, tokens } from './fakes.ts'
import type { Respond } from './fakes.ts'

/** JSON in which `?` is a byte that no UTF-8 has. */
function notUtf8 (body: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(body))
  bytes[bytes.indexOf('?')] = 0xff
  return bytes
}

t.test('client_secret_post: id and secret are in the form', async (t) => {
  const { client, issuer } = await story(t, { scope: ['test_api_access'], clientAuthentication: 'client_secret_post' })
  await client.token()
  const { method, path, headers, form } = issuer.seen[0]!
  t.match({ method, path }, { method: 'POST', path: '/token' })
  t.match(headers, { 'content-type': /^application\/x-www-form-urlencoded/, 'accept-encoding': 'identity', authorization: undefined })
  t.same(Object.fromEntries(form), {
    grant_type: 'client_credentials', client_id: 'client one', client_secret: SECRET, scope: 'test_api_access'
  })
})

t.test('client_secret_basic, the default: id and secret are form-encoded first (RFC 6749 section 2.3.1)', async (t) => {
  const { client, issuer } = await story(t)
  await client.token()
  const { headers, form } = issuer.seen[0]!
  t.same(Object.fromEntries(form), { grant_type: 'client_credentials' })
  const pair = Buffer.from(headers.authorization!.replace('Basic ', ''), 'base64').toString()
  t.match(pair, /^[\w%+:*.-]+$/)
  t.same(pair.split(':').map((part) => new URLSearchParams(`part=${part}`).get('part')), ['client one', SECRET])
})

t.test('a secret that is given by a function is read anew for every request', async (t) => {
  const secrets = ['old', 'new']
  const { client, issuer, clock } = await story(t, { clientSecret: () => Promise.resolve(secrets.shift()!), clientAuthentication: 'post' })
  await client.token()
  clock.ms += 300_000
  await client.token()
  t.same(issuer.seen.map(({ form }) => form.get('client_secret')), ['old', 'new'])
})

t.test('a secret that cannot be read', async (t) => {
  const cases: [() => string, RegExp][] = [
    [() => readFileSync('/nowhere/secret', 'utf8'), /cannot be read \(ENOENT\)$/],
    [() => JSON.parse(SECRET) as string, /cannot be read \(its function threw\)$/],
    // eslint-disable-next-line @typescript-eslint/only-throw-error -- what others may do
    [() => { throw null }, /cannot be read/],
    [() => '', /returned none/],
    [() => 5 as never, /returned none/],
    [() => '\n', /line breaks/],
    [() => 'one\ntwo', /line breaks/],
    [() => 'one\n\n', /line breaks/]
  ]
  for (const [clientSecret, message] of cases) {
    const { client, issuer } = await story(t, { clientSecret })
    await t.rejects(client.token(), { code: 'secret_unavailable', message })
    t.equal(issuer.seen.length, 0)
  }
})

t.test('the responses of the token endpoint, and their errors', (t) => {
  const good = { access_token: 'token', token_type: 'Bearer', expires_in: 300 }
  const cases: [string, Respond, { code: ClientErrorCode, message?: RegExp | string, scopes?: string[] }][] = [
    [
      'a wrong secret (Keycloak)',
      json(401, { error: 'unauthorized_client', error_description: 'Invalid client or Invalid client credentials' }),
      { code: 'credentials_refused', message: /client id or the secret \(unauthorized_client\)/ }
    ],
    [
      'an unknown client, with a challenge',
      json(401, { error: 'invalid_client' }, { 'www-authenticate': 'Basic realm="x"' }),
      { code: 'credentials_refused', message: /\(invalid_client\)/ }
    ],
    ['an assertion refused', json(400, { error: 'invalid_client' }), { code: 'credentials_refused' }],
    [
      'service accounts off',
      json(401, { error: 'unauthorized_client', error_description: 'Client not enabled to retrieve service account' }),
      { code: 'credentials_refused', message: /Service accounts roles/ }
    ],
    [
      'an unknown scope',
      json(400, { error: 'invalid_scope', error_description: 'Invalid scopes: x' }),
      { code: 'scope_refused', scopes: ['one', 'two'], message: /scope "one two"/ }
    ],
    [
      'another grant refused',
      json(400, { error: 'unsupported_grant_type' }),
      { code: 'request_refused', message: /\(unsupported_grant_type\)$/ }
    ],
    [
      'a certificate demanded',
      json(400, { error: 'invalid_request', error_description: 'Client Certification missing for MTLS HoK Token Binding' }),
      { code: 'request_refused', message: /requires a client certificate .* set mtls/ }
    ],
    [
      'an assertion again',
      json(400, { error: 'invalid_client', error_description: 'Token reuse detected' }),
      { code: 'credentials_refused', message: /has seen this assertion before/ }
    ],
    [
      'DPoP demanded',
      json(400, { error: 'invalid_request', error_description: 'DPoP proof is missing' }),
      { code: 'request_refused', message: /requires DPoP/ }
    ],
    ['overload', json(429, {}), { code: 'issuer_unreachable', message: /status 429/ }],
    ['an error page', json(502, '<html>'), { code: 'issuer_unreachable', message: /status 502/ }],
    ['no such realm', json(404, { error: 'Realm does not exist' }), { code: 'issuer_response_invalid', message: /status 404.*realm/ }],
    ['an unknown refusal', json(400, '[]'), { code: 'issuer_response_invalid', message: /status 400/ }],
    ['no content', (response) => response.writeHead(204).end(), { code: 'issuer_response_invalid', message: /status 204/ }],
    ['a web page', json(200, '<html>'), { code: 'issuer_response_invalid', message: /not a JSON object/ }],
    ['null', json(200, 'null'), { code: 'issuer_response_invalid' }],
    ['no token', json(200, { ...good, access_token: undefined }), { code: 'issuer_response_invalid', message: /no usable access_token/ }],
    ['a token that would break the header', json(200, { ...good, access_token: 'a\r\nX: y' }), { code: 'issuer_response_invalid' }],
    ['a token outside of ASCII', json(200, { ...good, access_token: 'é' }), { code: 'issuer_response_invalid' }],
    [
      'no token_type',
      json(200, { ...good, token_type: undefined }),
      { code: 'issuer_response_invalid', message: /token_type is not Bearer/ }
    ],
    [
      'an unknown token_type',
      json(200, { ...good, token_type: 'mac' }),
      { code: 'issuer_response_invalid', message: /token_type is not Bearer/ }
    ],
    ['a DPoP token', json(200, { ...good, token_type: 'DPoP' }), { code: 'issuer_response_invalid', message: /DPoP/ }],
    [
      'a scope that is not a string',
      json(200, { ...good, scope: ['one', 'two'] }),
      { code: 'issuer_response_invalid', message: /scope is not a string/ }
    ],
    ['a life that is over', json(200, { ...good, expires_in: 0 }), { code: 'issuer_response_invalid', message: /expires_in/ }],
    ['a life that is a word', json(200, { ...good, expires_in: '5 minutes' }), { code: 'issuer_response_invalid', message: /expires_in/ }],
    [
      'a negative life',
      json(200, { ...good, expires_in: -300 }),
      { code: 'issuer_response_invalid', message: /expires_in is not a positive number/ }
    ],
    ['a negative life as text', json(200, { ...good, expires_in: '-300' }), { code: 'issuer_response_invalid', message: /expires_in/ }],
    ['a life of another type', json(200, { ...good, expires_in: true }), { code: 'issuer_response_invalid', message: /expires_in/ }],
    ['an empty body', json(200, ''), { code: 'issuer_response_invalid', message: /200, but not a JSON object/ }],
    ['an error page with 500', json(500, '<html>', { 'content-type': 'text/html' }), { code: 'issuer_unreachable', message: /status 500/ }],
    [
      'gzip, which was not requested',
      json(200, gzipSync(JSON.stringify(good)), { 'content-encoding': 'gzip' }),
      { code: 'issuer_response_invalid', message: /a compressed response, which was not requested/ }
    ],
    [
      'a token that is not UTF-8',
      json(200, notUtf8({ ...good, access_token: '?' })),
      { code: 'issuer_response_invalid', message: /no usable access_token/ }
    ],
    [
      'a body that never ends',
      (response) => { drip(response) },
      { code: 'issuer_unreachable', message: /no complete response within 1000 ms/ }
    ],
    [
      'a redirect',
      (response) => response.writeHead(307, { location: '/elsewhere' }).end(),
      { code: 'issuer_response_invalid', message: /redirect/ }
    ],
    ['too much', json(200, { ...good, more: 'x'.repeat(70_000) }), { code: 'issuer_response_invalid', message: /65536 bytes/ }],
    ['a cut line', (response) => response.destroy(), { code: 'issuer_unreachable', message: /cannot be reached at http:\/\/127/ }],
    ['silence', () => undefined, { code: 'issuer_unreachable', message: /within 1000 ms/ }]
  ]
  for (const [name, respond, expected] of cases) {
    t.test(name, async (t) => {
      const { client, issuer, api } = await story(t, { scope: ['one', 'two'], tokenDeadlineMs: 1000 })
      issuer.respond = respond
      await t.rejects(client.fetch('/'), expected)
      t.equal(issuer.seen.length, 1)
      t.equal(api.seen.length, 0)
    })
  }
  t.test('nobody listens', async (t) => {
    const { client } = await story(t, { tokenEndpoint: `${await silentAddress()}/token` })
    await t.rejects(client.token(), { code: 'issuer_unreachable', message: /ECONNREFUSED/ })
  })
  t.test('an address that fetch itself refuses', async (t) => {
    const { client } = await story(t, { tokenEndpoint: 'http://127.0.0.1:1/token' })
    await t.rejects(client.token(), { code: 'issuer_unreachable', message: /BAD_PORT/ })
  })
  t.end()
})

t.test('what is fine', async (t) => {
  const cases: [string, Record<string, unknown>][] = [
    ['bearer in small letters', { token_type: 'bearer' }],
    ['more scopes than requested', { scope: 'two email one' }],
    ['no scope: as requested', { scope: undefined }],
    ['a token_type in capitals', { token_type: 'BEARER' }],
    ['scope null: as requested', { scope: null }],
    ['a life as text', { expires_in: '300' }],
    ['a life with a fraction, as text with spaces', { expires_in: ' 299.5 ' }],
    ['no life', { expires_in: null }],
    ['a life without end', { expires_in: 1e300 }],
    ['an id_token that was not requested', { id_token: 'not.even.one' }]
  ]
  for (const [name, members] of cases) {
    const { client, issuer } = await story(t, { scope: ['one', 'two'] })
    issuer.respond = tokens(members)
    t.equal(await client.token(), 'token-1', name)
  }
})

t.test('what is not UTF-8 in a member that the client does not read changes nothing', async (t) => {
  const { client, issuer } = await story(t)
  issuer.respond = json(200, notUtf8({ access_token: 'token', token_type: 'Bearer', expires_in: 300, note: '?' }))
  t.equal(await client.token(), 'token')
})

t.test('the token endpoint of an issuer', (t) => {
  const options = (url: string): Partial<ClientOptions> => ({ issuer: url, tokenEndpoint: undefined } as object)
  const document = (change: Record<string, unknown> = {}, status = 200): Respond =>
    (response, seen) => seen.method === 'POST'
      ? tokens()(response, seen)
      : json(status, {
          issuer: `http://${seen.headers.host!}/realm`, token_endpoint: `http://${seen.headers.host!}/token`, ...change
        })(response, seen)

  t.test('is looked up once', async (t) => {
    const issuer = await listen(t, document())
    const { client } = await story(t, options(`${issuer.url}/realm`))
    await client.token()
    await client.token(['other'])
    t.same(issuer.seen.map(({ path }) => path), ['/realm/.well-known/openid-configuration', '/token', '/token'])
  })

  const problems: [string, Respond, RegExp][] = [
    ['no document', json(404, {}), /discovery document is not there/],
    ['another issuer', document({ issuer: 'https://other.example' }), /names another issuer/],
    ['no JSON', json(200, '<html>'), /discovery document/],
    ['no endpoint', document({ token_endpoint: undefined }), /no token endpoint/],
    ['an endpoint over plain http', document({ token_endpoint: 'http://issuer.example/token' }), /no token endpoint that a secret/],
    ['down', json(503, {}), /cannot respond now/],
    ['overloaded', json(429, {}), /cannot respond now/]
  ]
  for (const [name, respond, message] of problems) {
    t.test(name, async (t) => {
      const issuer = await listen(t, respond)
      const { client } = await story(t, options(`${issuer.url}/realm`))
      await t.rejects(client.token(), { message })
      t.notOk(issuer.seen.some(({ body }) => body !== ''), 'no secret was sent')
    })
  }

  t.test('an issuer whose name ends with a slash', async (t) => {
    const issuer = await listen(t, (response, seen) => { document({ issuer: `${issuer.url}/realm/` })(response, seen) })
    const { client } = await story(t, options(`${issuer.url}/realm/`))
    t.equal(await client.token(), 'token-1')
  })
  t.end()
})
