import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Caller, rawRequest, statusOf } from './callers.mjs'
import { gateway, makeCertificate } from './gateways.mjs'
import { freePorts } from '../support/free-ports.mjs'
import { Replica, until } from './processes.mjs'
import { withClaims } from './tokens.mjs'

const PATH = '/test-api/api/private-scoped'
/** What the service may write into its log about a stolen token; nothing else may have refused it. */
const REASONS = ['certificate_missing', 'certificate_mismatch']

/** A stolen token behind a gateway, as its name says; the statuses that mean that it stays closed. `value` is the victim's certificate. */
const THEFTS = [
  ['no header', () => []],
  ['Client-Cert', (value) => [`Client-Cert: ${value}`]],
  ['client-cert in small letters', (value) => [`client-cert: ${value}`]],
  ['CLIENT-CERT in capitals', (value) => [`CLIENT-CERT: ${value}`]],
  ['cLiEnT-cErT', (value) => [`cLiEnT-cErT: ${value}`]],
  ['two Client-Cert lines', (value) => [`Client-Cert: ${value}`, `Client-Cert: ${value}`]],
  ['two spellings', (value) => [`Client-Cert: ${value}`, `client-CERT: ${value}`]],
  ['an empty line, then the certificate', (value) => ['Client-Cert:', `Client-Cert: ${value}`]],
  ['Client-Cert-Chain', (value) => [`Client-Cert-Chain: ${value}`]],
  ['Client-Cert and Client-Cert-Chain', (value) => [`Client-Cert: ${value}`, `Client-Cert-Chain: ${value}, ${value}`]],
  ['Connection: client-cert', (value) => [`Client-Cert: ${value}`, 'Connection: client-cert']],
  [
    'Connection: close, client-cert, client-cert-chain',
    (value) => [`Client-Cert: ${value}`, 'Connection: close, client-cert, client-cert-chain']
  ],
  ['Client_Cert with an underscore', (value) => [`Client_Cert: ${value}`], [400, 401]],
  ['client_cert beside Client-Cert', (value) => [`client_cert: ${value}`, `Client-Cert: ${value}`], [400, 401]],
  [
    'headers of other gateways',
    (value) => ['X-Forwarded-Client-Cert', 'X-Client-Cert', 'X-SSL-Client-Cert', 'SSL-Client-Cert'].map((name) => `${name}: ${value}`)
  ],
  ['a space before the colon', (value) => [`Client-Cert : ${value}`], [400, 401]],
  ['a tab before the colon', (value) => [`Client-Cert\t: ${value}`], [400, 401]],
  ['a folded line', (value) => ['X-Other: a', ` Client-Cert: ${value}`], [400, 401]],
  ['a folded value', (value) => [`Client-Cert:\r\n ${value}`], [400, 401]],
  ['a line feed alone before it', (value) => [`X-Other: a\nClient-Cert: ${value}`], [400, 401]],
  ['a carriage return alone before it', (value) => [`X-Other: a\rClient-Cert: ${value}`], [400, 401]]
]

/** Bodies in which the header comes after the head: in a trailer, or as a second request that only the API would see. */
const bodies = (head, value) => {
  const inner = `GET /api/private-scoped HTTP/1.1\r\nHost: x\r\n${head[1]}\r\nClient-Cert: ${value}\r\nConnection: close\r\n\r\n`
  const lines = ['POST /test-api/api/messages HTTP/1.1', ...head, 'Content-Type: application/json', 'Connection: close']
  const post = (more, body) => `${[...lines, ...more].join('\r\n')}\r\n\r\n${body}`
  const chunk = '10\r\n{"text":"Hello"}\r\n0\r\n'
  return [
    ['in a trailer', post(['Transfer-Encoding: chunked', 'Trailer: Client-Cert', 'TE: trailers'], `${chunk}Client-Cert: ${value}\r\n\r\n`)],
    ['in a trailer that is not announced', post(['Transfer-Encoding: chunked'], `${chunk}client-cert: ${value}\r\n\r\n`)],
    [
      'in a request behind Content-Length and chunks',
      post([`Content-Length: ${5 + inner.length}`, 'Transfer-Encoding: chunked'], `0\r\n\r\n${inner}`)
    ],
    ['in a request behind chunks and Content-Length', post(['Transfer-Encoding: chunked', 'Content-Length: 5'], `0\r\n\r\n${inner}`)],
    ['in a request behind two lengths', post(['Content-Length: 16', `Content-Length: ${16 + inner.length}`], `{"text":"Hello"}${inner}`)]
  ]
}

/** CLIENT_CERTIFICATE=header behind both variants: a stolen token stays closed, whatever its thief writes; its owner is accepted. */
export async function checkBoundTokens (stage) {
  const { folder, issuer, tokens, check } = stage
  const scene = await readyScene(stage)
  try {
    const stolen = await withClaims(await tokens.fresh(issuer), { cnf: { 'x5t#S256': scene.thumbprint } }, folder)
    for (const variant of ['plain', 'mtls']) {
      const [port] = await freePorts(1)
      const running = await gateway(stage.name, { folder, port, upstreams: [scene.replica.port, scene.replica.port], variant })
      running.start()
      const callerWith = (own) => new Caller({ port, certificate: stage.certificate, own })
      try {
        await check(`bound tokens, ${variant}: it starts`, () =>
          until(async () => (await callerWith().call('/test-api/api/public')).status === 200, () => running.output.slice(-800)))
        await checkStolen({ ...scene, check, stolen, caller: callerWith(), who: `${variant}, a caller without a certificate` })
        if (variant === 'mtls') {
          await checkStolen({
            ...scene, check, stolen, caller: callerWith(scene.thief), who: 'mtls, a caller with a certificate of its own'
          })
          await checkOwner({ check, name: stage.name, stolen, caller: callerWith(scene.victim) })
        }
      } finally {
        await running.end()
      }
    }
  } finally {
    await scene.replica.end()
  }
}

/** A replica that believes the gateway, a victim and a thief whose certificates the gateway trusts. */
async function readyScene ({ folder, issuer }) {
  const authority = await makeCertificate(folder, { name: 'authority', subject: 'authority.example' })
  await writeFile(join(folder, 'callers.pem'), authority.certificate)
  const [victim, thief] = await Promise.all(['victim', 'thief'].map(async (name) => {
    const { certificate: cert, key } = await makeCertificate(folder, { name, subject: `${name}.example`, signer: 'authority' })
    return { cert, key }
  }))
  const der = new X509Certificate(victim.cert).raw
  const [port] = await freePorts(1)
  const believing = { TRUST_PROXY: '127.0.0.1', CLIENT_CERTIFICATE: 'header' }
  const env = { ISSUER: issuer, AUDIENCE: 'test_api', PUBLIC_URL: 'https://api.example.com/test-api', ...believing }
  const replica = Object.assign(new Replica({ folder, port, env }), { port })
  replica.start()
  await replica.ready()
  return { victim, thief, replica, value: `:${der.toString('base64')}:`, thumbprint: createHash('sha256').update(der).digest('base64url') }
}

async function checkStolen ({ check, stolen, caller, replica, value, who }) {
  const authorization = `Authorization: Bearer ${stolen}`
  const from = replica.lines().length
  let refused = 0
  for (const [name, lines, allowed = [401]] of THEFTS) {
    await check(`${who}, a stolen token, ${name}: ${allowed.join(' or ')}`, async () => {
      const status = statusOf(await caller.raw(rawRequest(PATH, [authorization, ...lines(value)])))
      assert.ok(allowed.includes(status), `status ${status}`)
      if (status === 401) refused++
    })
  }
  for (const [name, text] of bodies(['Host: api.example.com', authorization], value)) {
    await check(`${who}, a stolen token, Client-Cert ${name}: nothing is accepted`, async () => {
      const response = await caller.raw(text)
      assert.match(response, /^HTTP\/1\.1 4\d\d /)
      assert.doesNotMatch(response, /HTTP\/1\.1 2\d\d/)
    })
  }
  await check(`${who}, a stolen token over HTTP/2: 401`, async () => {
    for (const headers of [
      { 'client-cert': value }, { 'client-cert': [value, value] }, { 'client-cert': value, 'client-cert-chain': value }
    ]) {
      assert.equal(await caller.http2(PATH, { authorization: `Bearer ${stolen}`, ...headers }), 401)
    }
  })
  await check(`${who}: the service has refused them, each for its certificate`, async () => {
    const reasons = () => replica.lines(from).filter(({ reason }) => reason !== undefined).map(({ reason }) => reason)
    await until(() => reasons().length >= refused + 3, () => `${reasons().length} refusals, expected ${refused + 3}`)
    assert.deepEqual(reasons().filter((reason) => !REASONS.includes(reason)), [])
  })
}

/** The owner's key was proved in the handshake, or in the one of the session that is resumed; Envoy's configuration resumes none. */
async function checkOwner ({ check, name, stolen, caller }) {
  const headers = { authorization: `Bearer ${stolen}` }
  await check('mtls, the owner of the token with its certificate: 200', async () => {
    assert.equal((await caller.call(PATH, { headers })).status, 200)
    assert.equal(await caller.http2(PATH, headers), 200)
  })
  await check('mtls, the owner with lies of its own beside it: 200, since the gateway replaces them', async () => {
    assert.equal(
      (await caller.call(PATH, { headers: { ...headers, 'client-cert': ':ZXZpbA==:', 'client-cert-chain': ':ZXZpbA==:' } })).status,
      200
    )
  })
  for (const version of ['TLSv1.2', 'TLSv1.3']) {
    await check(`mtls, the owner over two connections, the second with the session of the first, ${version}: 200`, async () => {
      const { statuses, isResumed } = await caller.resumed(rawRequest(PATH, [`Authorization: ${headers.authorization}`]), version)
      assert.deepEqual({ statuses, isResumed }, { statuses: [200, 200], isResumed: name !== 'envoy' })
    })
  }
}
