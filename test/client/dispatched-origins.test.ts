import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { Agent, Client as UndiciClient, EnvHttpProxyAgent, Pool } from 'undici'
import type { Dispatcher } from 'undici'
import type { Test } from 'tap'
import { createClient } from '../../src/client/client.ts'
import type { Client } from '../../src/client/client.ts'
import { json, listen, story, tokens } from './fakes.ts'
import type { Story } from './fakes.ts'
import { proofOf } from './proofs.ts'

function composed (t: Test, client: Client, agent: Dispatcher): Dispatcher {
  t.teardown(() => agent.destroy())
  return agent.compose(client.interceptor())
}

async function bound (t: Test): Promise<Story & { readonly dispatcher: Dispatcher }> {
  const one = await story(t, { dpop: true })
  one.issuer.respond = tokens({ token_type: 'DPoP' })
  one.api.respond = json(200, {})
  return { ...one, dispatcher: composed(t, one.client, new Agent()) }
}

t.test('the origin of a request is what undici makes of it: a URL, a slash, upper case', async (t) => {
  const { api, dispatcher } = await bound(t)
  const { port } = new URL(api.url)
  for (const origin of [api.url, `${api.url}/`, new URL(api.url), `HTTP://127.0.0.1:${port}`, ` http://127.1:${port}/`]) {
    const { statusCode, body } = await dispatcher.request({ origin, path: '/i?x', method: 'GET' })
    await body.dump()
    t.equal(statusCode, 200, String(origin))
    t.equal(api.seen.at(-1)!.path, '/i?x')
    t.equal(proofOf(api.seen.at(-1)!).claims['htu'], `${api.url}/i`, String(origin))
  }
})

t.test('what is not an origin, and a path that is none, gets no token', async (t) => {
  const { api, dispatcher, issuer } = await bound(t)
  const more = [`${api.url}/i`, `${api.url}?a`, `${api.url}#a`, new URL(`${api.url}/i`), api.url.replace('//', '//u:p@')]
  const noOrigins = [undefined, '', 'x', '/', ...more]
  for (const origin of noOrigins) {
    await t.rejects(
      dispatcher.request({ origin, path: '/i', method: 'GET' } as never),
      { name: 'SettingsError', code: 'settings_invalid', problems: [{ option: 'origin' }] },
      String(origin)
    )
  }
  const [, host = '', last = ''] = /^(.*)(\d)$/.exec(api.url)!
  await t.rejects(dispatcher.request({ origin: host, path: `${last}/i`, method: 'GET' }), { code: 'UND_ERR_INVALID_ARG' })
  t.equal(issuer.seen.length + api.seen.length, 0)
})

t.test('a Pool and a Client of undici do not say where a request goes: an error that says what to do, and nothing is sent', async (t) => {
  const { api, client, issuer } = await story(t)
  for (const agent of [new Pool(api.url), new UndiciClient(api.url)]) {
    const dispatcher = composed(t, client, agent)
    const body = Readable.from([Buffer.from('x')])
    await t.rejects(dispatcher.request({ path: '/', method: 'POST', body }), { message: /^origin: .* Agent, .*pass its origin/ })
    t.ok(body.destroyed)
    t.equal(issuer.seen.length + api.seen.length, 0)
  }
  const ways = [new Pool(api.url), new UndiciClient(api.url), new Agent(), new EnvHttpProxyAgent()]
  for (const agent of ways) {
    const { statusCode, body } = await composed(t, client, agent).request({ origin: api.url, path: '/', method: 'GET' })
    await body.dump()
    t.equal(statusCode, 200)
  }
})

t.test('an upgrade has the token, and its connection is given to the caller', async (t) => {
  const issuer = await listen(t, tokens())
  const server = createServer().on('upgrade', (request, socket) => {
    socket.end(`HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n${request.headers.authorization}`)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => server.close(resolve)))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createClient({ tokenEndpoint: `${issuer.url}/token`, clientId: 'a', clientSecret: 'b', apiUrl: url })
  t.teardown(() => client.close())
  const { socket } = await composed(t, client, new Agent()).upgrade({ origin: url, path: '/', protocol: 'x' } as never)
  t.equal(await text(socket), 'Bearer token-1')
})
