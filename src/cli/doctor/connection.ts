import { connect, isIP } from 'node:net'
import { connect as connectTls, type DetailedPeerCertificate } from 'node:tls'
import type { FetchError } from '../../http/bounded-fetch.ts'
import { printable } from '../../oauth/printable.ts'
import { asSentence } from '../call-words.ts'
import type { More } from './check.ts'
import { proxyOf, type ProxyVariables } from './proxy.ts'

/** How the service connects. */
export interface Way {
  readonly proxies: ProxyVariables
  /** USE_ENV_PROXY=on, or Node's own switch. */
  readonly usesProxies: boolean
  readonly timeoutMs: number
}

interface Place extends Way {
  readonly url: URL
  readonly error: FetchError
  /** The proxy in between; undefined: a direct connection. */
  readonly proxy: string | undefined
}

type Diagnosis = (place: Place) => More | Promise<More>

/** Why there is no response, with its name and what to do. It may connect once more to find out. */
export async function diagnose (address: string, error: FetchError, way: Way): Promise<More> {
  const url = new URL(address)
  const proxy = way.usesProxies ? proxyOf(url, way.proxies) : undefined
  const { code = 'unreachable', cause, fix } = await diagnosisOf(error)({ ...way, url, error, proxy })
  const unused = !way.usesProxies && proxy === undefined && NETWORK.has(code) ? proxyOf(url, way.proxies) : undefined
  const hint = unused === undefined ? '' : ` The environment names the proxy ${unused}, which is not used: USE_ENV_PROXY=on uses it.`
  return { code, ...cause !== undefined && { cause }, fix: `${fix ?? ''}${hint}` }
}

const NETWORK = new Set(['dns', 'connect_timeout', 'connection_refused', 'no_route'])

function diagnosisOf ({ code, systemCode = '' }: FetchError): Diagnosis {
  if (code === 'deadline') return late
  if (code === 'redirect') {
    return ({ error }) => ({
      code: 'redirect',
      cause: sentence(error),
      fix:
        'Set the address to the one that it redirects to: open it in a browser or with curl -v. ' +
        'A redirect to a login page comes from a gateway in front.'
    })
  }
  if (code === 'too_large' || code === 'content_encoding') {
    return ({ error }) => ({
      code: 'response', cause: sentence(error), fix: 'This is not the response of an issuer: a gateway in front changes or replaces it.'
    })
  }
  if (systemCode.startsWith('PROXY_STATUS_')) return proxyStatus
  if (AUTHORITY.has(systemCode)) return authority
  return BY_CODE[systemCode] ?? unknown
}

const AUTHORITY = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT', 'CERT_UNTRUSTED'
])

const dns: Diagnosis = ({ url, proxy, error }) => {
  const host = proxy === undefined ? url.hostname : `of the proxy ${proxy}`
  const now = error.systemCode === 'EAI_AGAIN' ? 'The name server does not respond' : 'No name server knows the host name'
  return {
    code: 'dns',
    cause: `${now}: ${host} (${error.systemCode ?? ''}).`,
    fix:
      'Correct the host name, or look at the name servers of this machine; in a container the issuer has the name of its service, ' +
      'and localhost is the container itself (JWKS_URL names another address for the keys).'
  }
}

const refused: Diagnosis = ({ url, proxy }) => proxy === undefined
  ? {
      code: 'connection_refused',
      cause: `Nothing listens at ${url.host}.`,
      fix:
        'Start the issuer, or correct host and port. In a container localhost is the container itself: ' +
        'set JWKS_URL to an address of the issuer that this machine can reach.'
    }
  : {
      code: 'proxy_unreachable',
      cause: `The proxy ${proxy} does not accept the connection.`,
      fix: 'Correct HTTPS_PROXY or HTTP_PROXY, or name the host of the issuer in NO_PROXY.'
    }

const noRoute: Diagnosis = ({ url, proxy }) => ({
  code: 'no_route',
  cause: `There is no route to ${proxy ?? url.host}.`,
  fix: 'Look at the network of this machine: a VPN, a firewall, or an address that is valid in another network only.'
})

const noTls: Diagnosis = ({ url }) => ({
  code: 'no_tls',
  cause: `The server at ${url.host} does not use TLS.`,
  fix: 'The port is that of plain http: correct the port, or begin the address with http:// (with ALLOW_INSECURE_HTTP=on for another host).'
})

const badPort: Diagnosis = ({ url }) => ({
  code: 'bad_port',
  cause: `The port of ${url.host} is that of another protocol: fetch never connects to it (Fetch standard, port blocking).`,
  fix: 'Correct the port, or let the issuer listen at another one.'
})

const closed: Diagnosis = ({ url, error }) => ({
  code: 'closed',
  cause: `${url.host} closed the connection before its response was complete (${error.systemCode ?? ''}).`,
  fix: url.protocol === 'http:'
    ? 'The port may be that of TLS: begin the address with https://. ' +
    'If not, look at the log of the issuer or of the gateway in front of it.'
    : 'Look at the log of the issuer or of the gateway in front of it.'
})

const unknown: Diagnosis = ({ error }) => ({
  code: 'unreachable',
  cause: asSentence(printable(error.message).replace(/^"|"$/g, '')),
  fix: 'Look at the address, and at the network of this machine.'
})

const expired: Diagnosis = async (place) => ({
  code: 'tls_expired',
  cause: `The certificate of ${place.url.host} is not valid now${(await peek(place))?.validity ?? ''}.`,
  fix: 'Renew the certificate of the issuer. If it is valid, correct the clock of this machine.'
})

const hostName: Diagnosis = async (place) => ({
  code: 'tls_host_name',
  cause: `The certificate is for another host name than ${place.url.hostname}${(await peek(place))?.names ?? ''}.`,
  fix: 'Use a host name of the certificate in ISSUER or JWKS_URL, or get a certificate with this name.'
})

const authority: Diagnosis = async (place) => ({
  code: 'tls_authority',
  cause:
    `The certificate of ${place.url.host} is not signed by an authority that Node trusts${(await peek(place))?.authority ?? ''} ` +
    `(${place.error.systemCode ?? ''}).`,
  fix:
    'Save the certificate of this authority as a PEM file and set NODE_EXTRA_CA_CERTS=/path/to/it.pem in the environment of the process ' +
    '(not in .env, which is read too late), for the service and for the doctor.'
})

const proxyStatus: Diagnosis = ({ proxy = 'of the environment', url, error }) => {
  const status = (error.systemCode ?? '').slice('PROXY_STATUS_'.length)
  const fix = status === '407'
    ? 'The proxy requires a user name and a password: HTTPS_PROXY=http://user:password@host:port, in the environment of the process.'
    : `Let the proxy connect to ${url.host}, or name the host in NO_PROXY.`
  return { code: 'proxy_refused', cause: `The proxy ${proxy} does not connect to ${url.host} (status ${status}).`, fix }
}

const late: Diagnosis = async (place) => {
  const { url, proxy, timeoutMs } = place
  const seconds = `${timeoutMs / 1000} s`
  if (await accepts(proxy === undefined ? url : new URL(proxy))) {
    return {
      code: 'response_timeout',
      cause: `${proxy ?? url.host} accepts the connection, but gives no complete response within ${seconds}.`,
      fix: 'Look at the load and the log of the issuer; KEYS_FETCH_TIMEOUT_SECONDS (at most 30) allows more time.'
    }
  }
  return {
    code: 'connect_timeout',
    cause: `No connection to ${proxy ?? url.host} within ${seconds}: the packets are lost on the way.`,
    fix: 'A firewall or a network policy in between drops them: allow the connection, or correct the address.'
  }
}

const BY_CODE: Readonly<Record<string, Diagnosis>> = {
  ENOTFOUND: dns, EAI_AGAIN: dns, ECONNREFUSED: refused, EHOSTUNREACH: noRoute, ENETUNREACH: noRoute,
  ETIMEDOUT: late, UND_ERR_CONNECT_TIMEOUT: late,
  CERT_HAS_EXPIRED: expired, CERT_NOT_YET_VALID: expired, ERR_TLS_CERT_ALTNAME_INVALID: hostName,
  BAD_PORT: badPort,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls, ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls, EPROTO: noTls, UND_ERR_SOCKET: closed, ECONNRESET: closed
}

function sentence ({ message }: FetchError): string {
  return `The response is ${message}.`
}

const LOOK_MS = 2_000

function portOf ({ port, protocol }: URL): number {
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

function hostOf ({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, '$1')
}

/** Whether somebody accepts a connection there. */
function accepts (url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: hostOf(url), port: portOf(url), timeout: LOOK_MS })
    const end = (accepted: boolean): void => { socket.destroy(); resolve(accepted) }
    socket.once('connect', () => end(true)).once('timeout', () => end(false)).once('error', () => end(false))
  })
}

/** The end of the chain as it was sent: a certificate that signs itself, or one whose authority is not in the chain. */
function lastOf (certificate: DetailedPeerCertificate): DetailedPeerCertificate {
  let last = certificate
  while (hasIssuer(last) && last.issuerCertificate !== last) last = last.issuerCertificate
  return last
}

/** Node's type does not say that the last one may have none. */
function hasIssuer (certificate: Partial<DetailedPeerCertificate>): boolean {
  return certificate.issuerCertificate !== undefined
}

interface Certificate { readonly authority: string, readonly names: string, readonly validity: string }

/** What the certificate says of itself, over a connection on which nothing is sent. Nothing of it is trusted: it is shown. */
function peek ({ url, proxy }: Place): Promise<Certificate | undefined> {
  if (proxy !== undefined) return Promise.resolve(undefined)
  return new Promise((resolve) => {
    const host = hostOf(url)
    const servername = isIP(host) === 0 ? host : ''
    const socket = connectTls({ host, port: portOf(url), servername, rejectUnauthorized: false, timeout: LOOK_MS })
    const end = (found?: Certificate): void => { socket.destroy(); resolve(found) }
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerCertificate(true)
      const { subjectaltname = 'no name', valid_from: from, valid_to: to } = certificate
      const { CN, O } = lastOf(certificate).issuer
      end({
        authority: `: ${printable(CN ?? O ?? 'no name')}`,
        names: `: ${printable(subjectaltname)}`,
        validity: ` (from ${printable(from)} to ${printable(to)})`
      })
    }).once('timeout', () => end()).once('error', () => end())
  })
}
