import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Caller } from './callers.mjs'
import { gateway, makeCertificate } from './gateways.mjs'
import { arriving, startMirror } from './hostile-checks.mjs'
import { freePorts } from '../support/free-ports.mjs'
import { until } from './processes.mjs'

/** A gateway looks once a second, and some believe the second look only. */
const SEEN_AFTER_MS = 4_000
const LIES = { 'client-cert': ':ZXZpbA==:', 'Client-Cert-Chain': ':ZXZpbA==:' }

/** The variant with certificates of callers: what the handshake has proved arrives, and nothing that a caller writes. */
export async function checkCertificates ({ check, name, folder, certificate }) {
  const [port] = await freePorts(1)
  const mirror = await startMirror()
  const known = await makeCertificate(folder, { name: 'caller', subject: 'caller.example' })
  await copyFile(join(folder, 'caller.crt'), join(folder, 'callers.pem'))
  const stranger = await makeCertificate(folder, { name: 'stranger', subject: 'stranger.example' })
  const running = await gateway(name, { folder, port, upstreams: [mirror.port, mirror.port], variant: 'mtls' })
  running.start()
  const callerWith = (own) => new Caller({ port, certificate, ...own && { own: { cert: own.certificate, key: own.key } } })
  try {
    await check('with certificates: it starts', () =>
      until(async () => (await callerWith().call('/test-api/api/public')).status === 200, () => running.output.slice(-800)))
    for (const ready of [true, false]) {
      mirror.ready = ready
      const when = ready ? '' : ', while no replica is ready'
      if (!ready) await pause(SEEN_AFTER_MS)
      await check(`… a caller's certificate arrives as RFC 9440 says, in place of what the caller writes${when}`, async () => {
        const seen = await arriving(callerWith(known), LIES)
        assert.deepEqual(seen['client-cert'], [`:${new X509Certificate(known.certificate).raw.toString('base64')}:`])
        assert.equal(seen['client-cert-chain'], undefined)
      })
      await check(`… without a certificate nothing arrives, whatever the caller writes${when}`, async () => {
        const seen = await arriving(callerWith(), LIES)
        assert.deepEqual([seen['client-cert'], seen['client-cert-chain']], [undefined, undefined])
      })
    }
    await check('… a certificate of another authority is refused, or does not arrive', async () => {
      const { status, body } = await callerWith(stranger).call('/test-api/api/private', { headers: LIES })
      if (status === 200) assert.doesNotMatch(body, /client-cert/i)
      else assert.ok(status === 0 || status === 400, `status ${status}`)
    })
  } finally {
    await running.end()
    mirror.close()
  }
}
