import { createServer } from 'node:http'
import type { IncomingHttpHeaders, RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { createClient } from '../../src/client/client.ts'
import type { Client, ClientOptions } from '../../src/client/client.ts'

/** What stands in place of a secret; with every character that an encoding may change. */
export const SECRET = 's3cr+t/ %:&=é"\'~*'

/** One request as it arrived. */
export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly form: URLSearchParams
}

export type Respond = (response: ServerResponse, seen: Seen) => unknown

/** A server with any response that a test sets; it keeps the requests. */
export interface Fake {
  readonly url: string
  readonly seen: Seen[]
  respond: Respond
}

/** Listens on a free loopback port until the test ends. */
export async function listen (t: Test, respond: Respond): Promise<Fake> {
  const fake = { url: '', seen: [] as Seen[], respond }
  const handle: RequestListener = (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const seen = { method: request.method!, path: request.url!, headers: request.headers, body, form: new URLSearchParams(body) }
      fake.seen.push(seen)
      fake.respond(response, seen)
    })
  }
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  fake.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return fake
}

/** A loopback address where nobody listens. */
export async function silentAddress (): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

/** Responds with JSON; a text and bytes are sent as they are. */
export function json (status: number, body: unknown, headers: Record<string, string> = {}): Respond {
  return (response) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(
    typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body)
  )
}

/** A good response of a token endpoint; every call names another token: token-1, token-2, … */
export function tokens (members: Record<string, unknown> = {}): Respond {
  let count = 0
  return (response, seen) => {
    const scope = `email profile ${seen.form.get('scope') ?? ''}`.trim()
    const body = {
      access_token: `token-${++count}`, expires_in: 300, refresh_expires_in: 0, token_type: 'Bearer', 'not-before-policy': 0,
      scope, ...members
    }
    json(200, body)(response, seen)
  }
}

/** An API that takes these tokens, and says `invalid_token` to all others. */
export function api (good: (token: string) => boolean = () => true): Respond {
  return (response, seen) => {
    const token = /^Bearer (.+)$/.exec(seen.headers.authorization ?? '')?.[1]
    if (token !== undefined && good(token)) json(200, { message: 'in' })(response, seen)
    else json(401, {}, { 'www-authenticate': 'Bearer realm="api", error="invalid_token", error_description="no"' })(response, seen)
  }
}

/** With one API. */
export type OneApi = ClientOptions & { readonly apiUrl: string }

export interface Story {
  readonly issuer: Fake
  readonly api: Fake
  readonly clock: { ms: number }
  readonly client: Client
  readonly options: OneApi
}

/** An issuer and an API that behave, a clock that stands still, and the client between them. */
export async function story (t: Test, options: Partial<ClientOptions> = {}): Promise<Story> {
  const issuer = await listen(t, tokens())
  const service = await listen(t, api())
  const clock = { ms: 1_000_000 }
  const all = {
    tokenEndpoint: `${issuer.url}/token`, clientId: 'client one', clientSecret: SECRET, apiUrl: service.url,
    now: () => clock.ms, random: () => 0, ...options
  } as OneApi
  const client = createClient(all)
  t.teardown(() => client.close())
  return { issuer, api: service, clock, client, options: all }
}

/** A promise to hold a response back with. */
export function gate (): { readonly opened: Promise<void>, readonly open: () => void } {
  let open!: () => void
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

/** Resolves when it holds; what it waits for is an arrival over the wire. */
export async function until (holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

export const MINUTE = 60_000
