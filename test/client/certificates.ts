import { generateKeyPairSync } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { selfSigned } from '../../src/issuer/tokens/certificate.ts'

export interface Identity { readonly cert: string, readonly key: string }

/** A key and a certificate for it that it signs itself. */
export function identity (name: string): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const der = selfSigned(name, publicKey, privateKey, Date.now())
  const cert = `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{64}(?!$)/g, '$&\n')}\n-----END CERTIFICATE-----\n`
  return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string }
}

export interface TlsFake {
  readonly url: string
  /** The common names of the certificates that clients presented, one for each request; undefined: none. */
  readonly presented: Array<string | undefined>
  readonly forms: URLSearchParams[]
  readonly headers: IncomingHttpHeaders[]
}

function peerOf (socket: object): { CN: string } | undefined {
  const { subject } = (socket as Pick<TLSSocket, 'getPeerCertificate'>).getPeerCertificate() as { subject?: { CN: string } }
  return subject
}

/** An https server on localhost that wants a certificate of its callers, accepts any, and responds with a token. */
export async function listenTls (t: Test, own: Identity): Promise<TlsFake> {
  const fake = { url: '', presented: [] as Array<string | undefined>, forms: [] as URLSearchParams[], headers: [] as IncomingHttpHeaders[] }
  const server = createServer({ ...own, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    const subject = peerOf(request.socket)
    fake.presented.push(subject?.CN)
    fake.headers.push(request.headers)
    let body = ''
    request.setEncoding('utf8').on('data', (chunk: string) => { body += chunk }).on('end', () => {
      fake.forms.push(new URLSearchParams(body))
      const document = {
        issuer: fake.url, token_endpoint: `${fake.url}/token`, mtls_endpoint_aliases: { token_endpoint: `${fake.url}/mtls/token` }
      }
      const token = { access_token: `token-${fake.presented.length}`, token_type: 'Bearer', expires_in: 300 }
      response.end(JSON.stringify(request.url === '/.well-known/openid-configuration' ? document : { ...token, path: request.url }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  t.teardown(() => new Promise((resolve) => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  fake.url = `https://localhost:${(server.address() as AddressInfo).port}`
  return fake
}
