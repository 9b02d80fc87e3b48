import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createClient, type Client } from '../../src/client/client.ts'
import { listen, tokens } from './fakes.ts'

/** An API that responds before it has read a body, and a client of it with DPoP. */
export async function hasty (
  t: Test, respond: (request: IncomingMessage, response: ServerResponse) => unknown
): Promise<{ readonly url: string, readonly client: Client }> {
  const server = createServer(respond)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  const issuer = await listen(t, tokens({ token_type: 'DPoP' }))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = createClient({ tokenEndpoint: `${issuer.url}/token`, clientId: 'a', clientSecret: 'b', apiUrl: url, dpop: true })
  t.teardown(() => client.close())
  return { url, client }
}
