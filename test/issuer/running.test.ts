import t from 'tap'
import { createPublicKey, X509Certificate } from 'node:crypto'
import type { JsonWebKey } from 'node:crypto'
import { Agent, createServer, request } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { listenOn } from '../../src/issuer/http/loopback.ts'
import { decoded, myorg, send, tokens } from './wire.ts'

type Key = JsonWebKey & { readonly kid: string, readonly x5c: readonly string[], readonly x5t: string }

const CERTS = { method: 'GET', path: '/realms/myorg/protocol/openid-connect/certs' }
const ASKED = { grant_type: 'client_credentials', client_id: 'test_api_client', client_secret: 'test-api-client-demo-secret' }

const keysOf = async (port: number): Promise<readonly Key[]> =>
  (JSON.parse((await send(port, CERTS)).text) as { keys: Key[] }).keys

const kidOf = async (port: number): Promise<unknown> =>
  decoded(String((await tokens(port, 'myorg', ASKED)).body['access_token'])).header['kid']

t.test('addresses', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: myorg() })
  t.teardown(() => issuer.close())
  t.match(issuer, {
    issuer: `http://localhost:${issuer.port}/realms/myorg`,
    tokenEndpoint: `http://localhost:${issuer.port}/realms/myorg/protocol/openid-connect/token`,
    jwksUrl: `http://localhost:${issuer.port}/realms/myorg/protocol/openid-connect/certs`
  })

  await t.test('the issuer does not follow Host', async (t) => {
    const { text } = await send(issuer.port, {
      method: 'GET', path: '/realms/myorg/.well-known/openid-configuration',
      headers: { host: 'evil.example', 'x-forwarded-host': 'evil.example' }
    })
    t.equal((JSON.parse(text) as { issuer: string }).issuer, issuer.issuer)
    t.notMatch(text, /evil/)
  })

  await t.test('localhost is 127.0.0.1 and ::1', async (t) => {
    t.match(await send(issuer.port, CERTS), { status: 200 })
    t.match(await send(issuer.port, CERTS, 'localhost'), { status: 200 })
    const reached = await send(issuer.port, CERTS, '::1').catch((error: unknown) => (error as NodeJS.ErrnoException).code)
    t.ok(reached === 'EADDRNOTAVAIL' || typeof reached === 'object', 'over IPv6 where there is any')
  })

  await t.test('a port that is taken is an error with its code', async (t) => {
    await t.rejects(startDevelopmentIssuer({ realm: myorg(), port: issuer.port }), { code: 'EADDRINUSE' })
  })

  await t.test('nothing but loopback', async (t) => {
    for (const host of ['0.0.0.0', '::', 'example.org', 'constructor']) {
      await t.rejects(startDevelopmentIssuer({ realm: myorg(), host: host as never }), {
        message: `The development issuer listens on loopback only, not on ${host}.`
      })
    }
  })
})

t.test('one address only', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: myorg(), host: '127.0.0.1' })
  t.teardown(() => issuer.close())
  t.match(await send(issuer.port, CERTS), { status: 200 })
  await t.rejects(send(issuer.port, CERTS, '::1'), { code: /ECONNREFUSED|EADDRNOTAVAIL/ })
})

t.test('listening', async (t) => {
  const ok = () => createServer().on('request', () => undefined).listeners('request')[0] as never

  await t.test('an address that this machine does not have is left out, the first is not', async (t) => {
    const { close } = await listenOn(['127.0.0.1', '192.0.2.1'], 0, ok)
    await close()
    await t.rejects(listenOn(['192.0.2.1', '127.0.0.1'], 0, ok), { code: 'EADDRNOTAVAIL' })
  })

  await t.test('any port is one that is free on all addresses; it is not looked for without end', async (t) => {
    await t.rejects(listenOn(['127.0.0.1', '127.0.0.1'], 0, ok), { code: 'EADDRINUSE' })
  })

  await t.test('nothing is left listening when it fails', async (t) => {
    const free = createServer()
    const port = await new Promise<number>((resolve) => free.listen(0, '127.0.0.1', () => resolve((free.address() as AddressInfo).port)))
    await new Promise((resolve) => free.close(resolve))
    await t.rejects(listenOn(['127.0.0.1', '127.0.0.1'], port, ok), { code: 'EADDRINUSE' })
    const { close } = await listenOn(['127.0.0.1'], port, ok)
    await close()
  })
})

t.test('close ends at once, whatever is open', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: myorg() })
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  const idle = await new Promise<NodeJS.Socket>((resolve, reject) => {
    request({ host: '127.0.0.1', port: issuer.port, agent, path: CERTS.path }, (response) => {
      const { socket } = response
      response.resume().on('end', () => resolve(socket))
    }).on('error', reject).end()
  })
  const silent = connect(issuer.port, '127.0.0.1')
  await new Promise((resolve) => silent.once('connect', resolve))
  const half = connect(issuer.port, '127.0.0.1')
  await new Promise<void>((resolve) => half.write('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx', () => resolve()))
  const ended = Promise.all([idle, silent, half].map((socket) => new Promise((resolve) => {
    socket.on('error', () => undefined).once('close', resolve)
  })))
  const startMs = performance.now()
  await issuer.close()
  await ended
  t.ok(performance.now() - startMs < 1000)
  await t.rejects(send(issuer.port, CERTS), { code: 'ECONNREFUSED' })
  const again = await startDevelopmentIssuer({ realm: myorg(), port: issuer.port })
  t.equal(again.issuer, issuer.issuer)
  await again.close()
})

t.test('keys', async (t) => {
  const issuer = await startDevelopmentIssuer({ realm: myorg() })
  t.teardown(() => issuer.close())

  await t.test('the certificate of a key is its own and can be read', async (t) => {
    for (const key of await keysOf(issuer.port)) {
      const certificate = new X509Certificate(Buffer.from(key.x5c[0] ?? '', 'base64'))
      const publicKey = createPublicKey({ key, format: 'jwk' })
      t.ok(certificate.publicKey.equals(publicKey) && certificate.verify(publicKey))
      t.equal(certificate.subject, 'CN=myorg')
      t.equal(certificate.issuer, 'CN=myorg')
      t.ok(Date.parse(certificate.validFrom) < Date.now() && Date.parse(certificate.validTo) > Date.now() + 3e11)
    }
  })

  await t.test('a new key signs, the old stays listed', async (t) => {
    const [before] = await keysOf(issuer.port)
    t.equal(await kidOf(issuer.port), before?.kid)
    await issuer.rotateKey()
    const kid = await kidOf(issuer.port)
    const after = (await keysOf(issuer.port)).map((key) => key.kid)
    t.not(kid, before?.kid)
    t.equal(after.length, 3)
    t.ok(after.includes(String(kid)) && after.includes(String(before?.kid)))
  })

  await t.test('another run has other keys, and the same subjects', async (t) => {
    const other = await startDevelopmentIssuer({ realm: myorg() })
    t.teardown(() => other.close())
    t.not(await kidOf(other.port), await kidOf(issuer.port))
    const [here, there] = await Promise.all([issuer, other].map(({ port }) => tokens(port, 'myorg', ASKED)))
    t.equal(here?.claims['sub'], there?.claims['sub'])
    t.not(here?.claims['jti'], there?.claims['jti'])
  })
})

t.test('tokens are dated by the clock that is given', async (t) => {
  let nowMs = 1_000_000_999
  const realm = { ...myorg(), realm: `${'long '.repeat(60)}name` }
  const issuer = await startDevelopmentIssuer({ realm, accessTokenClock: () => nowMs })
  t.teardown(() => issuer.close())
  const name = encodeURIComponent(realm.realm)
  t.match((await tokens(issuer.port, name, ASKED)).claims, { iat: 1_000_000, exp: 1_000_300 })
  nowMs += 60_000
  t.match((await tokens(issuer.port, name, ASKED)).claims, { iat: 1_000_060, exp: 1_000_360 })
})
