import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createClient } from '../../src/client/client.ts'
import { createGetJwksSource } from '../../src/oauth/get-jwks-source.ts'
import { selfSigned } from '../support/self-signed.ts'
import { listen, tokens } from './fakes.ts'

async function listenWithTls (t: Test, until: Date): Promise<string> {
  const server = createServer(selfSigned(until), (_request, response) => { response.end('{}') })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  return `https://localhost:${(server.address() as AddressInfo).port}`
}

/** What the client and the service report of an address that does not respond as it should. */
async function reported (t: Test, address: string): Promise<readonly string[]> {
  const client = createClient({ tokenEndpoint: `${address}/token`, clientId: 'id', clientSecret: 'secret', apiUrl: 'http://localhost' })
  const source = createGetJwksSource({ jwksUrl: `${address}/keys`, timeoutMs: 5_000, useEnvProxy: false })
  t.teardown(() => Promise.all([client.close(), source.close()]))
  const ofClient = await client.token().catch((error: unknown) => error)
  t.match(ofClient, { code: 'issuer_unreachable' })
  const ofService = await source.fetchKeySet({ kid: '', alg: undefined, newConnection: false }).catch((error: unknown) => error)
  return [ofClient, ofService].map((error) => error instanceof Error ? error.message : '')
}

t.test('a certificate of an unknown authority: its code, and NODE_EXTRA_CA_CERTS in the environment', async (t) => {
  for (const message of await reported(t, await listenWithTls(t, new Date('2049-01-01')))) {
    t.match(message, /DEPTH_ZERO_SELF_SIGNED_CERT: .*not signed by an authority that Node trusts.*NODE_EXTRA_CA_CERTS.*not in \.env/)
  }
})

t.test('https to a server without TLS, and http to a server with TLS', async (t) => {
  const plain = await listen(t, tokens())
  for (const message of await reported(t, plain.url.replace('http:', 'https:'))) {
    t.match(message, /(?:ERR_SSL_|EPROTO).*does not use TLS: the address may have to begin with http:\/\//)
  }
  t.equal(plain.seen.length, 0)
  const secure = await listenWithTls(t, new Date('2049-01-01'))
  for (const message of await reported(t, secure.replace('https:', 'http:'))) {
    t.match(message, /TLS .*when the address begins with http:\/\//)
  }
})
