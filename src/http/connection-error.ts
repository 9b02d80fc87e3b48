/** Why no connection was established, or why it ended before the response was complete. */
export interface ConnectionError {
  /** A code of the system, of TLS or of undici: ECONNREFUSED, CERT_HAS_EXPIRED, UND_ERR_SOCKET. */
  readonly code: string | undefined
  /** The code in words, or the error's own message. That one may quote the other side: not for callers. */
  readonly message: string
}

const AUTHORITY = 'the certificate is not signed by an authority that Node trusts: ' +
  'name the file with the certificate of that authority in NODE_EXTRA_CA_CERTS, ' +
  'in the environment of the process and not in .env'
const NO_TLS = 'the server at this port does not use TLS: the address may have to begin with http://'
const NAME = 'the host name cannot be resolved'
const NO_ROUTE = 'the host cannot be reached'
const LATE = 'no connection in time'
const CLOSED =
  'the server closed the connection before its response was complete; a server that uses TLS does so when the address begins with http://'

const WORDS: Readonly<Record<string, string>> = {
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT: AUTHORITY,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: AUTHORITY,
  DEPTH_ZERO_SELF_SIGNED_CERT: AUTHORITY,
  CERT_UNTRUSTED: AUTHORITY,
  CERT_HAS_EXPIRED: 'the certificate has expired, or the clock of this machine is wrong',
  CERT_NOT_YET_VALID: 'the certificate is not valid yet, or the clock of this machine is wrong',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host name than the one in the address',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  EPROTO: NO_TLS,
  UND_ERR_SOCKET: CLOSED,
  ECONNRESET: CLOSED,
  ECONNREFUSED: 'nothing listens at this address',
  ENOTFOUND: NAME,
  EAI_AGAIN: NAME,
  EHOSTUNREACH: NO_ROUTE,
  ENETUNREACH: NO_ROUTE,
  ETIMEDOUT: LATE,
  UND_ERR_CONNECT_TIMEOUT: LATE,
  BAD_PORT: 'fetch never connects to this port, which is that of another protocol',
  EMFILE: 'this process has too many open files'
}

/** The innermost cause says it best. */
export function readConnectionError (error: unknown): ConnectionError {
  let at = error
  while (at instanceof Error && at.cause !== undefined) at = at.cause
  if (at instanceof AggregateError && at.errors[0] !== undefined) at = at.errors[0] as unknown
  if (!(at instanceof Error)) return { code: undefined, message: 'the connection failed' }
  const proxy = /^Proxy response \((\d{3})\)/.exec(at.message)
  if (proxy !== null) return { code: `PROXY_STATUS_${proxy[1]}`, message: `the proxy refused the connection (status ${proxy[1]})` }
  const code = at.message === 'bad port' ? 'BAD_PORT' : (at as { readonly code?: unknown }).code
  return typeof code !== 'string' ? { code: undefined, message: at.message } : { code, message: inWords(code) }
}

/** A code with what it means, such as `ECONNREFUSED: nothing listens at this address`. */
function inWords (code: string): string {
  const words = code.startsWith('HPE_')
    ? 'the response is not HTTP; a server that uses TLS responds so when the address begins with http://'
    : WORDS[code]
  return words === undefined ? code : `${code}: ${words}`
}
