import { redisAddressProblem } from '../options/binding-options.ts'

type Given = Readonly<Record<string, string>>

/** What the settings of bound tokens require of others (docs/how-to/bound-tokens.md). */
export function bindingRequirements (given: Given): string[] {
  const { DPOP, DPOP_NONCE, DPOP_NONCE_SECRET_FILE, REDIS_URL, CLIENT_CERTIFICATE } = given
  const { PUBLIC_URL, TRUST_PROXY, TLS_CERT_FILE, TLS_KEY_FILE } = given
  const isOn = DPOP === 'allowed' || DPOP === 'required'
  const redis = REDIS_URL === undefined ? undefined : redisAddressProblem(REDIS_URL)
  return [
    isOn && PUBLIC_URL === undefined
      ? `PUBLIC_URL: required with DPOP=${DPOP}: the address of this API as callers see it, which proofs must name (htu); ` +
      'it is never taken from Host'
      : undefined,
    DPOP_NONCE === 'on' && !isOn ? 'DPOP_NONCE: only together with DPOP=allowed or DPOP=required' : undefined,
    DPOP_NONCE === 'on' && DPOP_NONCE_SECRET_FILE === undefined
      ? 'DPOP_NONCE_SECRET_FILE: required with DPOP_NONCE=on: a file with a secret of at least 32 bytes (openssl rand -base64 48), ' +
      'the same at every replica'
      : undefined,
    DPOP_NONCE_SECRET_FILE !== undefined && DPOP_NONCE === undefined
      ? 'DPOP_NONCE_SECRET_FILE: only together with DPOP_NONCE=on'
      : undefined,
    redis === undefined ? undefined : `REDIS_URL: expected ${redis}`,
    CLIENT_CERTIFICATE === 'header' && TRUST_PROXY === undefined
      ? 'TRUST_PROXY: required with CLIENT_CERTIFICATE=header: the addresses of the gateways that write the Client-Cert header' : undefined,
    CLIENT_CERTIFICATE === 'tls' && TLS_CERT_FILE === undefined
      ? 'TLS_CERT_FILE: required with CLIENT_CERTIFICATE=tls: the certificate of this service, in PEM'
      : undefined,
    TLS_CERT_FILE !== undefined && TLS_KEY_FILE === undefined
      ? 'TLS_KEY_FILE: required with TLS_CERT_FILE: its private key, in PEM'
      : undefined,
    TLS_KEY_FILE !== undefined && TLS_CERT_FILE === undefined
      ? 'TLS_CERT_FILE: required with TLS_KEY_FILE: the certificate of this service, in PEM'
      : undefined
  ].filter((problem) => problem !== undefined)
}
