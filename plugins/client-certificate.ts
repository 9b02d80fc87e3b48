import { createHash, X509Certificate } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { FastifyRequest } from 'fastify'
import { valuesOf } from '../src/oauth/credentials.ts'
import type { PresentedCertificate } from '../src/oauth/possession.ts'
import type { BindingSettings } from '../src/options/binding-options.ts'
import { trustedPeer } from './trusted-peer.ts'

/** How the certificate of a caller is found, and its thumbprint (RFC 8705 §3.1): once for a connection of our own. */
export function presentedCertificate (
  { clientCertificate, trustProxy }: BindingSettings
): (request: FastifyRequest) => PresentedCertificate {
  return clientCertificate === 'header' ? certificateInHeader(trustedPeer(trustProxy)) : ({ raw }) => certificateOfConnection(raw.socket)
}

const CONNECTIONS = new WeakMap<Socket, PresentedCertificate>()

/** The handshake has proven the key of this certificate; who signed it does not matter here, since the token names it. */
function certificateOfConnection (socket: Socket): PresentedCertificate {
  const known = CONNECTIONS.get(socket)
  if (known !== undefined) return known
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
  const presented = certificate === undefined
    ? { missing: 'the connection has no client certificate' }
    : { thumbprint: thumbprintOf(certificate.raw) }
  CONNECTIONS.set(socket, presented)
  return presented
}

function thumbprintOf (der: Buffer): string {
  return createHash('sha256').update(der).digest('base64url')
}

/** RFC 8941 §3.3.5: a byte sequence is base64 between colons. */
const BYTES = /^:([A-Za-z\d+/]+={0,2}):$/

/**
 * RFC 9440 §2.2: `Client-Cert: :<DER in base64>:`. Anybody can write the header, and a certificate is public: it counts only in a request
 * that a trusted gateway itself has sent, by the address of its connection, and only once.
 */
function certificateInHeader (isTrusted: (socket: Socket) => boolean): (request: FastifyRequest) => PresentedCertificate {
  return ({ raw }) => {
    if (!isTrusted(raw.socket)) return { missing: 'the connection is not from an address of TRUST_PROXY' }
    const values = valuesOf(raw.rawHeaders, 'client-cert')
    if (values.length === 0) return { missing: 'no Client-Cert header' }
    if (values.length > 1) return { missing: `${values.length} Client-Cert headers` }
    const der = Buffer.from(BYTES.exec(values[0]?.trim() ?? '')?.[1] ?? '', 'base64')
    return isCertificate(der) ? { thumbprint: thumbprintOf(der) } : { missing: 'the Client-Cert header is not one certificate' }
  }
}

function isCertificate (der: Buffer): boolean {
  try {
    // Bytes after the certificate would change the thumbprint.
    return new X509Certificate(der).raw.equals(der)
  } catch {
    return false
  }
}
