import type { ReasonContext, ReasonText } from './context.ts'
import { SEND_DPOP } from './sending.ts'

/** Reasons that the binding of a verified token gives (RFC 9449 §7, RFC 8705 §3). */
export const BINDING_TEXTS = {
  bound_token_as_bearer: {
    status: 401,
    sentence: 'The token is bound to a DPoP key, and was presented as a bearer token, without the proof that its holder has the key.',
    fix: () => `${SEND_DPOP} If the caller has no such key, the token was stolen from one that has.`
  },
  token_not_bound: {
    status: 401,
    sentence: 'The token was presented under the scheme DPoP, and is not bound to a DPoP key (cnf has no jkt).',
    fix: ({ schemes = ['Bearer'] }) =>
      'The caller must send a DPoP proof with the token request, so that the issuer binds the token (Keycloak: token_type of the ' +
      `response is then DPoP)${schemes.includes('Bearer') ? ', or present the token as Bearer' : ''}.`
  },
  binding_required: {
    status: 401,
    sentence:
      'The service (DPOP=required) accepts only tokens that are bound to a DPoP key, or the route (config.auth.bound) only tokens that ' +
      'are bound to a key, and this one is not.',
    fix: (context) => fixOfBinding(context)
  },
  dpop_key_mismatch: {
    status: 401,
    sentence: 'The proof is signed with another key than the one to which the token is bound (cnf.jkt).',
    fix: () =>
      'The caller must use the key of its token request. After a new key it must request a new token. Otherwise the token was stolen.'
  },
  certificate_missing: {
    status: 401,
    sentence: 'The token is bound to a client certificate, and the connection or the gateway presented none.',
    fix: () =>
      'detail says where it was expected. CLIENT_CERTIFICATE=tls: the caller must present its certificate to this service. ' +
      'CLIENT_CERTIFICATE=header: the gateway must verify it, write the Client-Cert header (RFC 9440) once, ' +
      'and be listed in TRUST_PROXY by the address of its connection.'
  },
  certificate_mismatch: {
    status: 401,
    sentence: 'The token is bound to another client certificate (cnf x5t#S256) than the one that was presented.',
    fix: () =>
      'The caller must use the certificate of its token request. After a renewal of the certificate it must request a new token. ' +
      'Otherwise the token was stolen.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>

const BIND_TO_KEY = 'In Keycloak switch "Require DPoP bound tokens" on for the client (Advanced). ' +
  `The caller must send a DPoP proof with the token request. ${SEND_DPOP}`
const BIND_TO_CERTIFICATE =
  'In Keycloak switch "OAuth 2.0 Mutual TLS Certificate Bound Access Tokens Enabled" on for the client (Advanced). ' +
  'The caller must request the token over mutual TLS, and present the same certificate with each request.'

/** What makes a token acceptable where only bound ones are. */
export function fixOfBinding ({ bindings, boundBy = [] }: ReasonContext): string {
  if (bindings?.dpop === 'off') return BIND_TO_CERTIFICATE
  const certificate = boundBy.includes('x5t#S256') ? 'It is bound to a client certificate, which is not enough with DPOP=required. ' : ''
  const other = bindings?.dpop !== 'required' && bindings?.clientCertificate !== 'off'
    ? ` Where CLIENT_CERTIFICATE is on, a route accepts a certificate too: ${BIND_TO_CERTIFICATE}`
    : ''
  return `${certificate}${BIND_TO_KEY}${other}`
}
