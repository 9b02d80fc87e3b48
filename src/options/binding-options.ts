import { isIP } from 'node:net'
import { quote } from './quote.ts'

/** How tokens that are bound to a key are accepted (docs/how-to/bound-tokens.md). */
export interface BindingOptions {
  /**
   * DPoP (RFC 9449). `off` (default): tokens that are bound to a DPoP key are refused. `allowed`: they are accepted with a proof, others as
   * bearer tokens. `required`: only they are accepted. With it `publicUrl` is required: proofs are for that address.
   */
  readonly dpop?: 'off' | 'allowed' | 'required' | undefined
  /** Each proof must contain the nonce of the server (RFC 9449 §9). A secret of at least 32 bytes, or two: the first makes nonces. */
  readonly dpopNonceSecrets?: readonly string[] | undefined
  /**
   * redis:// or rediss:// address of the store that replicas share, so that each proof is used once. Default: the memory of this process.
   */
  readonly redisUrl?: string | undefined
  /**
   * Certificate-bound tokens (RFC 8705). `off` (default): they are refused. `tls`: the certificate of the connection to this server
   * (`requestCert: true`). `header`: Client-Cert (RFC 9440), believed only of the gateways of `trustProxy`.
   */
  readonly clientCertificate?: 'off' | 'tls' | 'header' | undefined
  /** Addresses of gateways whose Client-Cert header is believed: 10.0.0.7, 10.0.0.0/8, loopback, linklocal, uniquelocal. */
  readonly trustProxy?: readonly string[] | undefined
}

export interface BindingSettings {
  readonly dpop: 'off' | 'allowed' | 'required'
  readonly dpopNonceSecrets: readonly string[]
  readonly redisUrl: string | undefined
  readonly clientCertificate: 'off' | 'tls' | 'header'
  readonly trustProxy: readonly string[]
}

export const BINDING_OPTIONS: readonly string[] = ['dpop', 'dpopNonceSecrets', 'redisUrl', 'clientCertificate', 'trustProxy']

type Given = Readonly<Record<string, unknown>>

export function bindingSettings ({ dpop, dpopNonceSecrets, redisUrl, clientCertificate, trustProxy }: BindingOptions): BindingSettings {
  return {
    dpop: dpop ?? 'off',
    dpopNonceSecrets: dpopNonceSecrets ?? [],
    redisUrl,
    clientCertificate: clientCertificate ?? 'off',
    trustProxy: trustProxy ?? []
  }
}

/** Everything that is wrong with these options, one sentence for each problem. */
export function bindingProblems (given: Given): string[] {
  const { dpop, dpopNonceSecrets, redisUrl, clientCertificate, trustProxy, publicUrl } = given
  const oneOf = (name: string, ...values: readonly string[]): string | undefined =>
    given[name] === undefined || values.includes(given[name] as string)
      ? undefined
      : `${name}: expected ${values.map((one) => `'${one}'`).join(', ')}`
  const isOn = dpop !== undefined && dpop !== 'off'
  return [
    oneOf('dpop', 'off', 'allowed', 'required'),
    isOn && publicUrl === undefined
      ? 'publicUrl: required with dpop: the address of this API as callers see it, which proofs must name (htu)'
      : undefined,
    dpopNonceSecrets === undefined ? undefined : secretsSentence(dpopNonceSecrets, isOn),
    redisUrl === undefined || (typeof redisUrl === 'string' && redisAddressProblem(redisUrl) === undefined)
      ? undefined
      : `redisUrl: expected ${REDIS_TEXT}`,
    oneOf('clientCertificate', 'off', 'tls', 'header'),
    trustProxy === undefined ? undefined : proxiesSentence(trustProxy),
    clientCertificate === 'header' && (!Array.isArray(trustProxy) || trustProxy.length === 0)
      ? 'trustProxy: required with clientCertificate \'header\': the addresses of the gateways that write the header' : undefined
  ].filter((problem) => problem !== undefined)
}

/** What does nothing for want of another option: one sentence each. */
export function bindingWarnings ({ dpop, redisUrl }: BindingOptions): string[] {
  return redisUrl !== undefined && (dpop ?? 'off') === 'off' ? ['redisUrl is not used: dpop is off'] : []
}

function secretsSentence (secrets: unknown, isOn: boolean): string | undefined {
  if (!isOn) return 'dpopNonceSecrets: only together with dpop \'allowed\' or \'required\''
  return Array.isArray(secrets) && secrets.length >= 1 && secrets.length <= 2 && secrets.every(isSecret)
    ? undefined
    : `dpopNonceSecrets: expected ${NONCE_SECRETS_TEXT}`
}

function proxiesSentence (proxies: unknown): string | undefined {
  if (!Array.isArray(proxies)) return `trustProxy: expected an array of ${PROXIES_TEXT}`
  const wrong = proxies.findIndex((one) => typeof one !== 'string' || !isProxyAddress(one))
  return wrong < 0 ? undefined : `trustProxy[${wrong}]: expected ${PROXIES_TEXT}, got ${quote(JSON.stringify(proxies[wrong]))}`
}

export const PROXIES_TEXT = 'addresses of gateways (10.0.0.7, 10.0.0.0/8, loopback, linklocal, uniquelocal)'
export const REDIS_TEXT =
  'the address of Redis, such as redis://localhost:6379 or rediss://user:password@redis.example.com:6380/0, with special characters of ' +
  'user and password percent-encoded (# is %23, / is %2F, ? is %3F, @ is %40; the value is not shown), and no query but ' +
  '?family=4 or ?family=6'
export const NONCE_SECRETS_TEXT = 'one or two secrets of at least 32 bytes each, as text, such as lines of openssl rand -base64 48'

const LEAST_SECRET_BYTES = 32

/** What a lenient decoder writes in place of bytes that are not UTF-8; a half of a character becomes the same. */
const REPLACED = /\uFFFD|\p{Surrogate}/u

export function isSecret (secret: unknown): boolean {
  return typeof secret === 'string' && Buffer.byteLength(secret) >= LEAST_SECRET_BYTES && !REPLACED.test(secret)
}

/**
 * What is expected instead; undefined: it can be used. The address may contain a password, so that it is never shown. A `#` or `?` of a
 * password that is not encoded ends the address there: the rest of the password would be its host, and be looked up in DNS. A query would
 * be options of the library, which win over the limits of ours.
 */
export function redisAddressProblem (address: string): string | undefined {
  if (!URL.canParse(address)) return REDIS_TEXT
  const { protocol, hostname, pathname } = new URL(address)
  const isWhole = /^[^#?]*(?:\?family=[46])?$/.test(address)
  const isRedis = (protocol === 'redis:' || protocol === 'rediss:') && hostname !== '' && isWhole
  return isRedis && /^\/?(?:0|[1-9]\d{0,4})?$/.test(pathname) ? undefined : REDIS_TEXT
}

/** An address, a range, or one of the names that Fastify's `trustProxy` knows. */
export function isProxyAddress (place: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(place)) return true
  const [address = '', bits, ...more] = place.split('/')
  if (isIP(address) === 0 || more.length > 0) return false
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128))
}
