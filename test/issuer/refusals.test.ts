import t from 'tap'
import { connect } from 'node:net'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { formRequest, myorg, send } from './wire.ts'

const TOKEN = '/realms/myorg/protocol/openid-connect/token'
const CLIENT = { client_id: 'test_api_client', client_secret: 'test-api-client-demo-secret' }
const ASKED = { grant_type: 'client_credentials', ...CLIENT }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

t.test('what Keycloak refuses or this issuer does not imitate', async (t) => {
  const realm = myorg()
  const x509 = { clientId: 'x509', clientAuthenticatorType: 'client-x509' }
  const secretless = { clientId: 'secretless', serviceAccountsEnabled: true }
  const issuer = await startDevelopmentIssuer({ realm: { ...realm, clients: [...realm.clients ?? [], x509, secretless] } })
  t.teardown(() => issuer.close())
  const ask = (form: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) => {
    const request = formRequest(TOKEN, form)
    return send(issuer.port, { ...request, headers: { ...request.headers, ...headers } })
  }
  const basic = (credentials: string) => ({ authorization: `Basic ${Buffer.from(credentials).toString('base64')}` })

  type Headers = Readonly<Record<string, string>>
  const refusals: readonly (readonly [string, Headers, number, string, string, Headers?])[] = [
    ['a space after the scope', { ...ASKED, scope: 'email ' }, 400, 'invalid_scope', 'Invalid scopes: email '],
    ['control characters in a scope', { ...ASKED, scope: 'a\u0000\r\nb\u0085' }, 400, 'invalid_scope', 'Invalid scopes: ab'],
    [
      'a client without a secret in the file', { ...ASKED, client_id: 'secretless', client_secret: '' }, 401,
      'unauthorized_client', 'Invalid client or Invalid client credentials'
    ],
    [
      'DPoP required',
      { ...ASKED, client_id: 'test_dpop_client', client_secret: 'test-dpop-client-demo-secret' }, 400, 'invalid_request',
      'DPoP proof is missing'
    ],
    [
      'DPoP required, empty proof',
      { ...ASKED, client_id: 'test_dpop_client', client_secret: 'test-dpop-client-demo-secret' }, 400, 'invalid_request',
      'DPoP proof is missing', { dpop: '' }
    ],
    [
      'DPoP required, wrong secret and scope', { ...ASKED, client_id: 'test_dpop_client', scope: 'x' }, 401, 'unauthorized_client',
      'Invalid client or Invalid client credentials'
    ],
    [
      'a broken escape in the client id of Basic', { grant_type: 'client_credentials' }, 400, 'unauthorized_client',
      'Unexpected error when authenticating client', basic('a%zz:b')
    ],
    [
      'an ampersand in Basic is a character', { grant_type: 'client_credentials' }, 401, 'invalid_client',
      'Invalid client or Invalid client credentials', basic('a&b:c&d')
    ],
    [
      'bytes in Basic that are not UTF-8', { grant_type: 'client_credentials' }, 401, 'invalid_client',
      'Invalid client or Invalid client credentials', { authorization: 'Basic //86/w==' }
    ],
    [
      'assertion type without assertion',
      { ...ASKED, client_id: 'test_jwt_client', client_assertion_type: ASSERTION_TYPE }, 400, 'invalid_client',
      'client_assertion parameter missing'
    ]
  ]
  for (const [name, form, status, error, error_description, headers] of refusals) {
    await t.test(name, async (t) => {
      const received = await ask(form, headers)
      t.strictSame(JSON.parse(received.text), { error, error_description })
      t.match(received, { status, headers: { 'cache-control': 'no-store', 'content-type': 'application/json' } })
    })
  }

  const assertion = { client_assertion_type: ASSERTION_TYPE, client_assertion: 'a.b.c' }
  const unable: readonly (readonly [string, Readonly<Record<string, string>>, Readonly<Record<string, string>>?])[] = [
    ['private_key_jwt', { grant_type: 'client_credentials', client_id: 'test_jwt_client', ...assertion }],
    ['private_key_jwt without client_id', { grant_type: 'client_credentials', ...assertion }],
    ['mutual TLS', { grant_type: 'client_credentials', client_id: 'x509' }],
    ['refresh', { ...ASKED, grant_type: 'refresh_token', refresh_token: 'x' }],
    ['UMA', { ...ASKED, grant_type: 'urn:ietf:params:oauth:grant-type:uma-ticket' }],
    ['CIBA', { ...ASKED, grant_type: 'urn:openid:params:grant-type:ciba' }]
  ]
  for (const [name, form, headers] of unable) {
    await t.test(`not imitated, and says so: ${name}`, async (t) => {
      t.match(await ask(form, headers), { status: 400, text: /the development issuer does not imitate it/ })
    })
  }

  await t.test('not imitated, and says so: endpoints of the metadata', async (t) => {
    const { text } = await send(issuer.port, { method: 'GET', path: '/realms/myorg/.well-known/openid-configuration' })
    const addresses = Object.entries(JSON.parse(text) as Record<string, unknown>)
      .filter(([name]) => /_endpoint$|^check_session/.test(name)).map(([, address]) => new URL(String(address)).pathname)
    t.equal(addresses.length, 11)
    for (const path of addresses.filter((one) => one !== TOKEN)) {
      t.match(await send(issuer.port, { method: 'GET', path }), { status: 501, text: /not_imitated/ }, path)
    }
    for (const path of ['/realms/myorg/account', '/realms/myorg/account/', '/realms/myorg/.well-known/uma2-configuration']) {
      t.match(await send(issuer.port, { method: 'GET', path }), { status: 501, text: /not_imitated/ }, path)
    }
  })

  await t.test('paths that look like others', async (t) => {
    const paths: readonly (readonly [string, string, number, string])[] = [
      ['GET', '/realms/my%zzorg', 404, 'Realm does not exist'],
      ['GET', '/realms/%6dyorg', 200, ''],
      ['GET', '/realms', 404, 'Unable to find matching target resource method'],
      ['GET', '/realms/', 404, 'Unable to find matching target resource method'],
      ['GET', '/admin', 404, 'Unable to find matching target resource method'],
      ['POST', '/realms/myorg', 405, 'HTTP 405 Method Not Allowed'],
      ['GET', '/.well-known/oauth-authorization-server/realms/nowhere', 404, 'Realm does not exist'],
      ['GET', '/realms/myorg/.', 400, 'missingNormalization'],
      ['GET', '/realms/myorg/protocol', 404, 'HTTP 404 Not Found'],
      ['GET', '/realms/myorg/protocol/openid-connectx/token', 404, 'Protocol not found'],
      ['GET', '/realms/myorg/protocol/openid-connect/authx', 404, 'HTTP 404 Not Found'],
      ['GET', '/realms/myorg/protocol/openid-connect/certs?x=//;', 200, ''],
      ['GET', 'http://localhost/realms/myorg', 400, 'missingNormalization'],
      ['OPTIONS', '*', 404, 'Unable to find matching target resource method'],
      ['GET', '/realms/__proto__', 404, 'Realm does not exist'],
      ['GET', '/realms/myorg/constructor', 404, 'HTTP 404 Not Found']
    ]
    for (const [method, path, status, error] of paths) {
      const received = await send(issuer.port, { method, path })
      t.equal(received.status, status, path)
      if (error !== '') t.equal((JSON.parse(received.text) as { error: string }).error, error, path)
    }
  })

  await t.test('forms that cannot be read', async (t) => {
    const post = (body: string, headers: Readonly<Record<string, string>> = FORM) =>
      send(issuer.port, { method: 'POST', path: TOKEN, headers, body })
    const good = new URLSearchParams(ASKED).toString()
    t.match(await post(`${good}&x=%zz`), { status: 400, text: /broken percent escape/ })
    t.match(
      await post(good + Array.from({ length: 1000 }, (_, index) => `&p${index}=`).join('')),
      { status: 400, text: /more than 1000 parameters/ }
    )
    t.match(await post(`${good}&x=${'y'.repeat(131_072)}`), { status: 413, text: '{"error":"HTTP 413 Request Entity Too Large"}' })
    t.match(await post(`${good}&x=${'y'.repeat(5_000_000)}`), { status: 413 }, 'read to its end all the same')
    t.match(await post(`${good}&x=${'y'.repeat(130_000)}`), { status: 200 })
    t.match(await post(`${good}&x=%ff`), { status: 200 }, 'bytes that are not UTF-8')
    t.match(await post(good, { 'content-type': 'APPLICATION/X-WWW-FORM-URLENCODED ;charset=utf-8' }), { status: 200 })
    t.match(await post(good, { 'content-type': 'application/x-www-form-urlencodedx' }), { status: 400, text: /Missing form parameter/ })
    t.match(await post(`${good}&__proto__=1&constructor=2`), { status: 200 })
  })

  const raw = (bytes: string, hangUp = false) => new Promise<string>((resolve, reject) => {
    let text = ''
    const socket = connect(issuer.port, '127.0.0.1', () => {
      socket.write(bytes)
      if (hangUp) setTimeout(() => socket.destroy(), 50)
    })
    socket.setEncoding('latin1').on('data', (part: string) => { text += part })
    socket.on('close', () => resolve(text)).on('error', reject)
  })

  await t.test('garbage ends its connection and nothing else', async (t) => {
    t.match(await raw('GARBAGE\r\n\r\n'), /^HTTP\/1\.1 400/)
    t.match(await raw(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431/)
    t.match(await raw('GET / HTTP/1.1\r\nHost: x\r\nOrigin: a\u007fb\r\n\r\n'), /^HTTP\/1\.1 400/)
    t.match(
      await raw(`GET ${TOKEN.replace('token', 'certs')} HTTP/1.1\r\nHost: x\r\nOrigin: \u00e9\u00ff\r\nConnection: close\r\n\r\n`),
      /^HTTP\/1\.1 200/
    )
    t.match(await send(issuer.port, { method: 'GET', path: '/realms/myorg' }), { status: 200 })
  })

  await t.test('a sender who hangs up in the middle of the body', async (t) => {
    t.equal(await raw(`POST ${TOKEN} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\ngrant`, true), '')
    t.match(await ask(ASKED), { status: 200 })
  })
})

t.test('an error of its own is a 500, and the process goes on', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: myorg(), accessTokenClock: () => { throw new Error('no time') } })
  t.teardown(() => issuer.close())
  const received = await send(issuer.port, formRequest(TOKEN, ASKED))
  t.match(received, { status: 500, text: '{"error":"unknown_error","error_description":"The development issuer failed"}' })
})
