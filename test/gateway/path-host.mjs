import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import Fastify from 'fastify'
import { calculateJwkThumbprint, SignJWT } from 'jose'
import scopegate from '../../dist/plugins/scopegate.js'
import { createTestIssuer } from '../../dist/src/testing.js'

export const PUBLIC_URL = 'https://api.example.com/test-api'

/** The headers of a request with a proof for this URL. */
async function bound (issuer) {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwk = publicKey.export({ format: 'jwk' })
  const token = issuer.sign({ aud: 'api', scope: 'read', typ: 'DPoP', cnf: { jkt: await calculateJwkThumbprint(jwk) } })
  const ath = createHash('sha256').update(token).digest('base64url')
  return async (htu) => {
    const proof = await new SignJWT({ htm: 'GET', htu, ath }).setProtectedHeader({ typ: 'dpop+jwt', alg: 'ES256', jwk })
      .setJti(randomUUID()).setIssuedAt().sign(privateKey)
    return { authorization: `DPoP ${token}`, dpop: proof }
  }
}

/** A host with the plugin, whose routes have a parameter; `seen` has the target of each request but those of a health check. */
export async function startHost () {
  const issuer = createTestIssuer({ alg: 'ES256' })
  const app = Fastify({ forceCloseConnections: true })
  await app.register(scopegate, {
    issuer: issuer.issuer, audience: 'api', algorithms: ['ES256'], keys: issuer.keys, dpop: 'required', publicUrl: PUBLIC_URL
  })
  const auth = { scopes: ['read'] }
  app.get('/health/ready', { config: { auth: 'public' } }, () => 'ready')
  for (const path of ['/', '/items/:id']) {
    app.get(path, { config: { auth } }, ({ params, raw }) => ({ target: raw.url, id: params.id }))
  }
  const host = { seen: [], connections: 0 }
  app.server.on('request', ({ url }) => { if (url !== '/health/ready') host.seen.push(url) })
  app.server.on('connection', () => { host.connections++ })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return Object.assign(host, { port: app.server.address().port, close: () => app.close(), headersFor: await bound(issuer) })
}
