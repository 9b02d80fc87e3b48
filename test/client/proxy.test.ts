// In a process of its own: it replaces the environment.
import { execFile } from 'node:child_process'
import { request as forward } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import type { Test } from 'tap'
import { createClient } from '../../src/client/client.ts'
import type { ClientOptions } from '../../src/client/client.ts'
import { sourceProgram } from '../support/source-program.ts'
import { drip, listenOn, untilNoneOpen } from '../support/wire.ts'
import { json, listen, tokens } from './fakes.ts'
import type { Respond, Fake, OneApi } from './fakes.ts'

interface Proxy {
  readonly url: string
  /** `POST http://host:port/token`, `CONNECT host:port`. */
  readonly seen: string[]
}

/** A forward proxy (RFC 9112 section 3.2.2, RFC 9110 section 9.3.6): every host name leads to this machine. */
async function proxyOn (t: Test): Promise<Proxy> {
  const seen: string[] = []
  const { url, server } = await listenOn(t, (request, response) => {
    seen.push(`${request.method} ${request.url}`)
    const { port, pathname, search } = new URL(request.url ?? '')
    const onward =
      forward({ host: '127.0.0.1', port, path: pathname + search, method: request.method, headers: request.headers }, (received) => {
        response.writeHead(received.statusCode ?? 500, received.headers)
        received.pipe(response)
      })
    response.on('close', () => onward.destroy())
    onward.on('error', () => response.destroy())
    request.pipe(onward)
  })
  server.on('connect', (request, socket) => {
    seen.push(`CONNECT ${request.url}`)
    if (request.url?.startsWith('refused.') === true) { socket.end('HTTP/1.1 403 Forbidden\r\n\r\n'); return }
    const onward = connect(Number(request.url?.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      socket.pipe(onward).pipe(socket)
    })
    for (const [one, other] of [[socket, onward], [onward, socket]] as const) one.on('error', () => other.destroy())
  })
  return { url, seen }
}

/** The variables are read when the client opens its first connection. */
function environment (t: Test, variables: Readonly<Record<string, string>>): void {
  const before = { ...process.env }
  process.env = { ...Object.fromEntries(Object.entries(before).filter(([name]) => !/_proxy$/i.test(name))), ...variables }
  t.teardown(() => { process.env = before })
}

const named = ({ url }: { readonly url: string }, host: string): string => url.replace('127.0.0.1', host)

interface Behind { readonly issuer: Fake, readonly api: Fake, readonly proxy: Proxy, readonly options: OneApi }

async function behind (
  t: Test, variables: Readonly<Record<string, string>>, respond: Respond = json(200, {}), options: Partial<ClientOptions> = {}
): Promise<Behind> {
  const proxy = await proxyOn(t)
  const issuer = await listen(t, tokens())
  const api = await listen(t, respond)
  environment(t, { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url, ...variables })
  return {
    issuer, api, proxy, options: {
      tokenEndpoint: `${named(issuer, 'issuer.invalid')}/token`, apiUrl: named(api, 'api.invalid'), clientId: 'id', clientSecret: 'secret',
      useEnvProxy: true,
      allowInsecureHttp: true, onWarning: () => undefined, ...options
    } as OneApi
  }
}

t.test('token request and call go through the proxy of the environment; NO_PROXY is an exception', async (t) => {
  const { proxy, options } = await behind(t, {})
  const client = createClient(options)
  t.teardown(() => client.close())
  t.equal((await client.fetch('/a?b')).status, 200)
  t.same(proxy.seen, [`POST ${options.tokenEndpoint}`, `GET ${options.apiUrl}/a?b`])
})

t.test('NO_PROXY: the API is called directly, the issuer through the proxy', async (t) => {
  const { proxy, api, options } = await behind(t, { NO_PROXY: '127.0.0.1' })
  const client = createClient({ ...options, apiUrl: api.url })
  t.teardown(() => client.close())
  t.equal((await client.fetch('/')).status, 200)
  t.same(proxy.seen, [`POST ${options.tokenEndpoint}`])
})

t.test('without the option the variables have no effect', async (t) => {
  const { proxy, issuer, api, options } = await behind(t, {}, json(200, {}), { useEnvProxy: false })
  const client = createClient({ ...options, tokenEndpoint: `${issuer.url}/token`, issuer: undefined, apiUrl: api.url } as ClientOptions)
  t.teardown(() => client.close())
  t.equal((await client.fetch('/')).status, 200)
  t.same(proxy.seen, [])
})

t.test('limits and the refusal of redirects hold through the proxy', async (t) => {
  const redirect: Respond = (response) => response.writeHead(307, { location: '/elsewhere' }).end()
  const { proxy, issuer, api, options } = await behind(t, {}, redirect, { apiDeadlineMs: 1000, tokenDeadlineMs: 1000 })
  const clientOf = (): ReturnType<typeof createClient> => {
    const client = createClient(options)
    t.teardown(() => client.close())
    return client
  }
  await t.rejects(clientOf().fetch('/'), { code: 'api_redirected' })
  t.equal(proxy.seen.length, 2)
  api.respond = (response) => drip(response)
  const response = await clientOf().fetch('/')
  await t.rejects(response.text(), { name: 'TimeoutError' })
  issuer.respond = (response) => response.writeHead(302, { location: '/elsewhere' }).end()
  await t.rejects(clientOf().token(), { code: 'issuer_response_invalid', message: /redirect/ })
  issuer.respond = json(200, 'x'.repeat(70_000))
  await t.rejects(clientOf().token(), { code: 'issuer_response_invalid', message: /65536 bytes/ })
  issuer.respond = (response) => drip(response)
  await t.rejects(clientOf().token(), { code: 'issuer_unreachable', message: /within 1000 ms/ })
})

t.test('https goes through CONNECT; a proxy that refuses, is not there or cannot be read is said to be so', async (t) => {
  const { proxy, options } = await behind(t, {})
  const refused = createClient({ ...options, tokenEndpoint: 'https://refused.invalid/token' } as ClientOptions)
  await t.rejects(refused.token(), { code: 'issuer_unreachable', message: /the proxy refused the connection \(status 403\)/ })
  t.same(proxy.seen, ['CONNECT refused.invalid:443'])
  await refused.close()

  environment(t, { HTTP_PROXY: 'http://[', HTTPS_PROXY: 'http://[' })
  const unreadable = createClient(options)
  await t.rejects(unreadable.token(), { code: 'issuer_unreachable' })
  await unreadable.close()
})

t.test('a proxy that does not respond is left at the deadline', async (t) => {
  const silent = await listenOn(t, () => undefined)
  silent.server.on('connect', (_request, socket) => { socket.on('error', () => undefined).on('end', () => socket.end()).resume() })
  const { options } = await behind(t, { HTTP_PROXY: silent.url, HTTPS_PROXY: silent.url }, json(200, {}), { tokenDeadlineMs: 1000 })
  for (const tokenEndpoint of ['https://issuer.invalid/token', 'http://issuer.invalid/token']) {
    const client = createClient({ ...options, tokenEndpoint } as ClientOptions)
    await t.rejects(client.token(), { code: 'issuer_unreachable', message: /within 1000 ms/ })
    await client.close()
  }
  await untilNoneOpen(silent)
})

t.test('the program: USE_ENV_PROXY=on, and where Node has it NODE_USE_ENV_PROXY=1', async (t) => {
  const { proxy, options } = await behind(t, {})
  const { PATH = '', SystemRoot = '' } = process.env
  const settings = {
    PATH, SystemRoot, TOKEN_ENDPOINT: options.tokenEndpoint ?? '', API_URL: options.apiUrl, ALLOW_INSECURE_HTTP: 'on', HTTP_PROXY: proxy.url
  }
  const [major = 0] = process.versions.node.split('.').map(Number)
  const switches = [{ USE_ENV_PROXY: 'on' }, ...(major >= 24 ? [{ NODE_USE_ENV_PROXY: '1' }] : [])]
  for (const [round, one] of switches.entries()) {
    const code = await new Promise((done) => {
      const child = execFile(
        process.execPath,
        [...sourceProgram('src/cli/client.ts')],
        { cwd: t.testdir(), env: { ...settings, ...one } },
        () => done(child.exitCode)
      )
    })
    t.equal(code, 0, Object.keys(one).join())
    t.equal(proxy.seen.length, 2 * (round + 1))
  }
})
