import { execFile } from 'node:child_process'
import { createServer as createPlainServer } from 'node:http'
import { createServer } from 'node:https'
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net'
import { resolve } from 'node:path'
import t, { type Test } from 'tap'
import { silentAddress } from '../client/fakes.ts'
import type { Found } from '../support/doctor.ts'
import { newKey, TestIssuer } from '../support/issuer.ts'
import { selfSigned, type Certificate } from '../support/self-signed.ts'

interface Run { readonly code: unknown, readonly out: string, readonly err: string }

interface Place { readonly cwd: string, readonly env?: Readonly<Record<string, string>>, readonly input?: string }

/** `scopegate …` as built, in a folder and with an environment of its own, and no terminal. */
function scopegate (args: readonly string[], { cwd, env = {}, input = '' }: Place): Promise<Run> {
  const { PATH = '', SystemRoot = '' } = process.env
  return new Promise((done) => {
    const options = { cwd, env: { PATH, SystemRoot, ...env } }
    const child = execFile(process.execPath, [resolve('dist/src/cli/scopegate.js'), ...args], options, (error, out, err) =>
      done({ code: error === null ? 0 : error.code, out, err }))
    child.stdin?.end(input)
  })
}

async function listening (t: Test, server: Server): Promise<number> {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  t.teardown(() => server.close())
  return (server.address() as AddressInfo).port
}

const key = newKey()
const encrypted = (t: Test, certificate: Certificate): Promise<number> => {
  const server = createServer(
    certificate,
    (_, response) => response.setHeader('connection', 'close').end(JSON.stringify({ keys: [key.jwk] }))
  )
  return listening(t, server)
}

interface Section { readonly title: string, readonly checks: readonly Found[] }

/** The check of the connection, by the address of the issuer. */
function connections (out: string): Record<string, Found | undefined> {
  const { sections } = JSON.parse(out) as { sections: Section[] }
  return Object.fromEntries(sections.slice(1).map(({ title, checks }) => [
    title.replace('Issuer ', ''), checks.find(({ name }) => name === 'issuer_reachable')
  ]))
}

t.test('why a connection fails, as the process of a person has it: TLS, names, time-outs; ' +
  'the authority set as the sentence says', async (t) => {
  const [trusted, outdated] = [selfSigned(new Date('2049-01-01')), selfSigned(new Date('2021-01-01'))]
  const [good, expired, unknown] =
    await Promise.all([trusted, outdated, selfSigned(new Date('2049-01-01'))].map((one) => encrypted(t, one)))
  const silent = await listening(t, createTcpServer((socket) => socket.on('error', () => undefined)))
  const nobody = await silentAddress()
  const cases: ReadonlyArray<readonly [address: string, code: string, cause: RegExp, fix: RegExp]> = [
    [
      `https://localhost:${expired}`,
      'tls_expired',
      /is not valid now \(from "?Jan.* 2020.* to "?Jan.* 2021/,
      /Renew the certificate.*clock of this machine/
    ],
    [
      `https://127.0.0.1:${good}`,
      'tls_host_name',
      /another host name than 127\.0\.0\.1: "?DNS:localhost/,
      /Use a host name of the certificate/
    ],
    [
      `https://localhost:${unknown}`,
      'tls_authority',
      /not signed by an authority that Node trusts: "?localhost.*DEPTH_ZERO_SELF_SIGNED_CERT/,
      /set NODE_EXTRA_CA_CERTS=\/path\/to\/it\.pem in the environment of the process \(not in \.env/
    ],
    [
      'https://no-such-host.invalid',
      'dns',
      /no-such-host\.invalid \((?:ENOTFOUND|EAI_AGAIN)\)/,
      /Correct the host name, or look at the name servers/
    ],
    [
      `http://127.0.0.1:${silent}`,
      'response_timeout',
      /accepts the connection, but gives no complete response within 1 s/,
      /KEYS_FETCH_TIMEOUT_SECONDS/
    ],
    [nobody, 'connection_refused', /Nothing listens at 127\.0\.0\.1/, /Start the issuer/],
    ['http://127.0.0.1:9', 'bad_port', /The port of 127\.0\.0\.1:9 is that of another protocol/, /Correct the port/]
  ]
  const addresses = [`https://localhost:${good}`, ...cases.map(([address]) => address)]
  const { code, out, err } = await scopegate(['doctor', '--json'], {
    env: { ISSUERS_FILE: 'issuers.json', NODE_EXTRA_CA_CERTS: 'ca.pem' },
    cwd: t.testdir({
      'issuers.json': JSON.stringify(addresses.map((issuer) => ({ issuer, audience: 'api', keysFetchTimeoutSeconds: 1 }))),
      'ca.pem': trusted.cert + outdated.cert
    })
  })
  t.same({ code, err }, { code: 1, err: '' })
  const found = connections(out)
  t.match(found[`https://localhost:${good}`], { status: 'ok' }, 'its certificate is in NODE_EXTRA_CA_CERTS')
  for (const [address, name, cause, fix] of cases) t.match(found[address], { status: 'failed', code: name, cause, fix }, name)
})

t.test('a proxy that refuses, and one that nobody runs', async (t) => {
  const asked: unknown[] = []
  const proxy = createPlainServer().on('connect', ({ url }, socket) => {
    asked.push(url)
    socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
  })
  const refusing = `http://127.0.0.1:${await listening(t, proxy)}`
  const env = { ISSUER: 'https://issuer.example/realms/myorg', AUDIENCE: 'api', USE_ENV_PROXY: 'on' }
  const [nobody, cwd] = [await silentAddress(), t.testdir({})]
  const [refused, unreachable] = await Promise.all([
    scopegate(['doctor', '--json'], { cwd, env: { ...env, HTTPS_PROXY: refusing.replace('//', '//user:hidden-value@') } }),
    scopegate(['doctor', '--json'], { cwd, env: { ...env, HTTPS_PROXY: nobody } })
  ])
  t.match(connections(refused.out)[env.ISSUER], {
    code: 'proxy_refused',
    cause: `The proxy ${refusing} does not connect to issuer.example (status 407).`,
    fix: /HTTPS_PROXY=http:\/\/user:password@host:port/
  })
  t.match(connections(unreachable.out)[env.ISSUER], {
    code: 'proxy_unreachable', cause: `The proxy ${nobody} does not accept the connection.`, fix: /Correct HTTPS_PROXY.*NO_PROXY/
  })
  t.same([refused.code, unreachable.code], [1, 1])
  t.notMatch(refused.out + refused.err, /hidden-value/)
  t.ok(asked.every((url) => url === 'issuer.example:443') && asked.length > 0)
})

t.test('for people: no colour without a terminal, and a token with Bearer before it and a line break behind it', async (t) => {
  const issuer = await TestIssuer.start(key)
  t.teardown(() => issuer.stop())
  const token = issuer.token({ scope: 'test_api_access' })
  const { code, out, err } = await scopegate(
    ['doctor'],
    { cwd: t.testdir({ '.env': `ISSUER=${issuer.issuer}\nAUDIENCE=test_api\n` }), input: `Bearer ${token}\r\n` }
  )
  t.same({ code, err }, { code: 0, err: '' })
  t.match(out, /^Configuration\n {2}ok .*\n[^]*Nothing is wrong\. The service accepts the token\.\n$/)
  t.notMatch(out, /\u001b|eyJ/)
})

t.test('scopegate migrate: a file that is no keycloak.json gets a sentence', async (t) => {
  const { code, err, out } = await scopegate(['migrate', 'keycloak.json'], { cwd: t.testdir({ 'keycloak.json': '<html>' }) })
  t.match({ code, err, out }, { code: 1, err: /^The file is XML or HTML.*\n$/, out: '' })
})
