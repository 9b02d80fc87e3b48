import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import t from 'tap'
import type { Test } from 'tap'
import { createClient } from '../../src/client/client.ts'
import { json, SECRET, story, tokens } from './fakes.ts'
import type { Respond } from './fakes.ts'

const TOKEN = 'eyJhbGciOi.the-token.c2lnbmF0dXJl'
const BASIC = Buffer.from(`client+one:${encodeURIComponent(SECRET)}`).toString('base64')
const HIDDEN = [
  SECRET, encodeURIComponent(SECRET), new URLSearchParams({ s: SECRET }).toString().slice(2), JSON.stringify(SECRET).slice(1, -1),
  BASIC, TOKEN, 'the-token'
]

/** Every way in which a value ends up in a log. */
function shown (value: unknown): string {
  const seen: string[] = [inspect(value, { depth: null, showHidden: true, getters: true }), JSON.stringify(value), String(value)]
  for (let at = value; at instanceof Error; at = at.cause) {
    seen.push(at.message, at.stack ?? '', JSON.stringify(at), JSON.stringify(at, Object.getOwnPropertyNames(at)))
  }
  return seen.join('\n')
}

function staysSecret (t: Test, value: unknown, name: string): void {
  const text = shown(value)
  t.notOk(HIDDEN.some((secret) => text.includes(secret)), name)
}

const caught = (work: () => Promise<unknown>): Promise<unknown> =>
  work().then(() => { throw new Error('it worked') }, (error: unknown) => error)

/** Bytes as they are, for what no HTTP library writes. */
async function raw (t: Test, bytes: string): Promise<string> {
  const server = createServer((socket) => socket.on('error', () => undefined).once('data', () => socket.end(bytes)))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => { server.close(resolve) }))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

t.test('an issuer that says back everything it was sent', async (t) => {
  const good = { access_token: TOKEN, token_type: 'Bearer', expires_in: 300 }
  const cases: [string, Respond][] = [
    [
      'a refusal that quotes the form',
      (response, seen) => json(401, { error: 'invalid_client', error_description: seen.body, error_uri: SECRET })(response, seen)
    ],
    [
      'a refusal that quotes the header',
      (response, seen) => json(400, { error: 'invalid_scope', error_description: seen.headers.authorization })(response, seen)
    ],
    ['a secret as error code', json(400, { error: SECRET })],
    ['a challenge', json(401, {}, { 'www-authenticate': `Basic realm="${BASIC}"` })],
    ['no JSON', json(200, `${TOKEN} ${SECRET}`)],
    ['half a JSON', json(200, JSON.stringify(good).slice(0, -3))],
    ['an unknown token_type', json(200, { ...good, token_type: TOKEN })],
    ['a token that breaks the header', json(200, { ...good, access_token: `${TOKEN}\n${SECRET}` })],
    ['a strange life', json(200, { ...good, expires_in: TOKEN })],
    ['a strange scope', json(200, { ...good, scope: [TOKEN] })],
    ['a redirect', (response) => response.writeHead(302, { location: `http://localhost/${TOKEN}` }).end(SECRET)],
    ['an outage', json(500, { ...good, SECRET })]
  ]
  for (const clientAuthentication of ['post', 'basic'] as const) {
    for (const [name, respond] of cases) {
      const { client, issuer } = await story(t, { scope: ['one'], clientAuthentication })
      issuer.respond = respond
      staysSecret(t, await caught(() => client.fetch('/')), `${name}, ${clientAuthentication}`)
    }
  }
})

t.test('the parser of HTTP keeps what it could not read in its error; ours does not', async (t) => {
  const broken = `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{"access_token":"${TOKEN}","x":"${SECRET}"}`
  const { client } = await story(t, { tokenEndpoint: `${await raw(t, broken)}/token` })
  const error = await caught(() => client.token())
  t.match(error, { code: 'issuer_unreachable', message: /the connection failed/ })
  staysSecret(t, error, 'issuer')

  const { client: other, issuer } = await story(t, { apiUrl: await raw(t, broken) })
  issuer.respond = tokens({ access_token: TOKEN })
  const response = await other.fetch('/').catch((fault: unknown) => fault)
  if (response instanceof Error) staysSecret(t, response, 'API')

  const { client: third, issuer: good } = await story(t, { apiUrl: await raw(t, `NOT HTTP ${TOKEN}`) })
  good.respond = tokens({ access_token: TOKEN })
  const fault = await caught(() => third.fetch('/'))
  t.match(fault, { code: 'api_unreachable' })
  staysSecret(t, fault, 'API')
})

t.test('an API that says back the token', async (t) => {
  const cases: Respond[] = [
    (response) => response.writeHead(302, { location: `/${TOKEN}` }).end(TOKEN),
    (response) => response.destroy()
  ]
  for (const respond of cases) {
    const { client, issuer, api } = await story(t)
    issuer.respond = tokens({ access_token: TOKEN })
    api.respond = respond
    staysSecret(t, await caught(() => client.fetch('/')), 'error')
    staysSecret(t, await caught(() => client.fetch(`//evil.example/${TOKEN.length}`)), 'error')
    staysSecret(t, await caught(() => client.fetch('/', { headers: { bad: '\n' } })), 'a fault of the call')
  }
})

t.test('the client itself shows neither secret nor token', async (t) => {
  const { client, issuer, options } = await story(t)
  issuer.respond = tokens({ access_token: TOKEN })
  t.equal(await client.token(), TOKEN)
  staysSecret(t, client, 'client')
  staysSecret(t, createClient(options), 'unused client')
})

t.test('settings that cannot be worked with are not quoted', async (t) => {
  const mistaken = {
    tokenEndpoint: `http://u:${encodeURIComponent(SECRET)}@host/`, apiUrl: SECRET, clientSecret: SECRET, clientId: '', scope: [SECRET]
  }
  staysSecret(t, await caught(async () => { await createClient(mistaken).token() }), 'settings')
  staysSecret(t, await caught(async () => {
    const { client } = await story(t, { clientSecret: () => { throw new Error(SECRET, { cause: new Error(TOKEN) }) } })
    await client.token()
  }), 'the secret\'s own function')
})
