import { createRequire } from 'node:module'
import type Tls from 'node:tls'
import type { FastifyInstance } from 'fastify'
import type { BindingSettings } from '../src/options/binding-options.ts'

const load = createRequire(import.meta.url)

/**
 * A plugin cannot change how the server of its host was created: where it never requests a certificate, every certificate-bound token is
 * refused, and a route that requires a bound token cannot be called, which the operator should know at start. Not checked: a server that
 * is neither of node:https nor of node:http2, and `rejectUnauthorized`.
 */
export function checkCertificateRequest (
  { server }: FastifyInstance, { clientCertificate }: BindingSettings, warn: (sentence: string) => void
): void {
  if (clientCertificate !== 'tls') return
  // Loaded only where it is needed: a start does without.
  const { Server } = load('node:tls') as typeof Tls
  const isTls = server instanceof Server
  if (isTls && (server as { readonly requestCert?: boolean }).requestCert !== false) return
  const found = isTls ? 'the server does not request certificates' : 'the server speaks plain http'
  warn(`clientCertificate 'tls': ${found}, so that every certificate-bound token is refused; create it with ` +
    'https: { key, cert, requestCert: true, rejectUnauthorized: false }, or behind a gateway set clientCertificate \'header\'')
}
