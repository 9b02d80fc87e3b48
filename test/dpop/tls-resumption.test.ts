import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type SecureVersion } from 'node:tls'
import t from 'tap'
import { readSettingFiles } from '../../src/config/setting-files.ts'
import { createCertificate, type Issued } from '../support/certificate-authority.ts'
import { newKey } from '../support/issuer.ts'
import { statusOf } from '../support/raw.ts'
import { startService } from '../support/service.ts'

const folder = mkdtempSync(join(tmpdir(), 'resumption-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const [server, client, thief] = [
  createCertificate(folder, 'localhost'), createCertificate(folder, 'client'), createCertificate(folder, 'thief')
]
const variables = { ALGORITHMS: 'ES256', CLIENT_CERTIFICATE: 'tls', TLS_CERT_FILE: server.certFile, TLS_KEY_FILE: server.keyFile }
const service = await startService(t, { key: newKey('ES256'), environment: variables, files: readSettingFiles(variables) })
const bound = service.issuer.token({ cnf: { 'x5t#S256': client.thumbprint } })
const request = `GET /api/private HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${bound}\r\nConnection: close\r\n\r\n`
const reason = (): unknown => service.lines.findLast((line) => line.reason !== undefined)?.reason

interface Called {
  readonly status: number
  readonly isResumed: boolean
  readonly session: Buffer | undefined
}

/** One request on a connection of its own, with a certificate or none, on a new session or on one from before. */
async function call (version: SecureVersion, presented?: Issued, session?: Buffer): Promise<Called> {
  const own = presented && { cert: presented.cert, key: presented.key }
  const socket = connect({
    host: 'localhost', port: Number(new URL(service.url).port), ca: server.cert, minVersion: version, maxVersion: version, ...own,
    ...session && { session }
  })
  let response = ''
  let ticket: Buffer | undefined
  socket.on('session', (latest: Buffer) => { ticket = latest })
  socket.setEncoding('latin1').on('data', (chunk: string) => { response += chunk })
  await once(socket, 'secureConnect')
  const isResumed = socket.isSessionReused()
  socket.write(request)
  await once(socket, 'close')
  return { status: statusOf(response), isResumed, session: ticket }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${version}: a resumed session has the certificate of the handshake that started it`, async (t) => {
    const first = await call(version, client)
    t.equal(first.status, 200)
    t.match(await call(version, client, first.session), { status: 200, isResumed: true })
    t.match(await call(version, undefined, first.session), { status: 200, isResumed: true }, 'its secret is of whoever proved the key')
    t.match(await call(version, thief, first.session), { status: 200, isResumed: true }, 'a certificate that is not sent does not count')
  })

  t.test(`${version}: a session that started without the certificate, or with another, never gets it`, async (t) => {
    const without = await call(version)
    t.equal(without.status, 401)
    t.match(await call(version, client, without.session), { status: 401, isResumed: true }, 'the certificate is not sent again')
    t.equal(reason(), 'certificate_missing')
    const other = await call(version, thief)
    t.equal(other.status, 401)
    t.match(await call(version, client, other.session), { status: 401, isResumed: true })
    t.equal(reason(), 'certificate_mismatch')
    t.equal((await call(version, client)).status, 200, 'a new handshake proves it')
  })
}
