import type { ReasonText } from './context.ts'

const SEND_DPOP = 'The caller must send "Authorization: DPoP <access token>" with a new proof in the DPoP header of each request.'

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
    fix: () =>
      'The caller must send a DPoP proof with the token request, so that the issuer binds the token (Keycloak: token_type of the ' +
      'response is then DPoP), or present the token as Bearer.'
  },
  binding_required: {
    status: 401,
    sentence:
      'The service (DPOP=required) or the route (config.auth.bound) accepts only tokens that are bound to a key, and this one is not.',
    fix: () =>
      'In Keycloak switch "Require DPoP bound tokens" on for the client (Advanced). ' +
      `The caller must send a DPoP proof with the token request. ${SEND_DPOP}`
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
