import type { ReasonText } from './context.ts'

const CLOCKS =
  'Compare the clocks of the caller and of this machine. A proof is for one request: the caller must create it when it sends the request.'
const LIBRARY = 'Use a DPoP library for the caller.'

/** Reasons for which the DPoP proof of a request is refused (RFC 9449 §4.3), in the order of the checks. */
export const PROOF_TEXTS = {
  dpop_missing: {
    status: 401,
    sentence: 'The token was presented under the scheme DPoP, without a DPoP header.',
    fix: () => 'The caller must send a new proof in the DPoP header of each request. A gateway may have removed the header.'
  },
  dpop_repeated: {
    status: 401,
    sentence: 'The request has more than one DPoP header.',
    fix: () => 'The caller or a gateway adds a second one. Remove it: which of them counts must not depend on the reader.'
  },
  dpop_malformed: {
    status: 401,
    sentence:
      'The DPoP header is not one signed JWT in strict form: three parts of canonical base64url, JSON objects in UTF-8, no member twice, ' +
      'at most 4,096 characters.',
    fix: () => `detail says which part. ${LIBRARY}`
  },
  dpop_type: {
    status: 401,
    sentence: 'The typ in the header of the proof is not dpop+jwt.',
    fix: () => `Another kind of token, such as the access token itself, was sent as the proof. ${LIBRARY}`
  },
  dpop_algorithm: {
    status: 401,
    sentence: 'The alg of the proof is not an asymmetric signature algorithm that is accepted, or is not one of its key.',
    fix: () =>
      'The challenge lists the algorithms in algs. The key must fit: P-256 for ES256, P-384 for ES384, P-521 for ES512, ' +
      'RSA for RS and PS, Ed25519 or Ed448 for EdDSA.'
  },
  dpop_header_not_allowed: {
    status: 401,
    sentence: 'The header of the proof contains the address of a key, a certificate, or an extension.',
    fix: () => `detail names the member. A proof has alg, typ and jwk. ${LIBRARY}`
  },
  dpop_key: {
    status: 401,
    sentence:
      'The jwk of the proof is missing, is not a public key for signatures, proves nothing (anybody can sign for it), or is of a size ' +
      'that is not accepted (RSA: 2,048 to 4,096 bits).',
    fix: () => `detail says what is wrong. ${LIBRARY}`
  },
  dpop_private_key: {
    status: 401,
    sentence: 'The jwk of the proof contains a private or symmetric key.',
    fix: () =>
      'The key is no longer secret: the caller must create a new one, request a new token, and export only the public key into the proof.'
  },
  dpop_claim: {
    status: 401,
    sentence: 'A claim of the proof is missing or has the wrong type: jti, htm, htu, iat and ath are required.',
    fix: () => `detail names the claim. ${LIBRARY}`
  },
  dpop_method: {
    status: 401,
    sentence: 'The proof is for another method (htm).',
    fix: () => 'The caller must create a proof for each request. A gateway that changes the method makes every proof invalid.'
  },
  dpop_url: {
    status: 401,
    sentence: 'The proof is for another URL (htu).',
    fix: () =>
      'The URL is PUBLIC_URL followed by the path of the request as this service received it, without query and fragment. Compare ' +
      'scheme, host, port and path. If callers use another address, correct PUBLIC_URL; ' +
      'a gateway that rewrites paths must rewrite only what PUBLIC_URL contains.'
  },
  dpop_expired: {
    status: 401,
    sentence: 'The proof was created more than 60 seconds ago (iat), or expired 10 seconds ago or earlier (exp).',
    fix: () => CLOCKS
  },
  dpop_in_future: {
    status: 401,
    sentence: 'The proof was created more than 10 seconds in the future (iat), or is not valid yet (nbf).',
    fix: () => CLOCKS
  },
  dpop_token_mismatch: {
    status: 401,
    sentence: 'The proof is for another access token (ath).',
    fix: () => 'ath is the SHA-256 of the access token in base64url. After a new token the caller must create its proofs for that one.'
  },
  dpop_signature: {
    status: 401,
    sentence: 'The signature of the proof is not valid.',
    fix: () => `The proof was altered, or signed with another key than its jwk. ES signatures are r and s side by side, not DER. ${LIBRARY}`
  },
  dpop_nonce_missing: {
    status: 401,
    sentence: 'The proof contains no nonce, and the service requires one (DPOP_NONCE=on).',
    fix: () =>
      'The first request of a caller looks like this. It must repeat the request with a new proof that contains the value of the ' +
      'DPoP-Nonce header of the response.'
  },
  dpop_nonce_invalid: {
    status: 401,
    sentence: 'The nonce of the proof is too old, or was not issued by this service.',
    fix: () =>
      'Nonces change each minute: the caller must repeat the request with the nonce of the response. ' +
      'If this happens all the time, the replicas do not have the same DPOP_NONCE_SECRET_FILE, PUBLIC_URL and CHALLENGE_REALM.'
  },
  dpop_replayed: {
    status: 401,
    sentence: 'The proof was used before (jti).',
    fix: () =>
      'A caller or a gateway repeats requests: each attempt requires a new proof. Otherwise somebody replays requests that were recorded.'
  }
} as const satisfies Readonly<Record<string, ReasonText>>
