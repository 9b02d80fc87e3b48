import { BlockList, isIP } from 'node:net'

const LOOPBACK = new BlockList()
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4')
LOOPBACK.addAddress('::1', 'ipv6')

/** What templates leave behind when nothing replaces it, and how a message names it: without the text, which may be a secret. */
const PLACEHOLDERS: ReadonlyArray<readonly [RegExp, string]> = [
  [/\$\{/, '${…}'], [/\{\{/, '{{…}}'], [/\$\(/, '$(…)'], [/\{[^{}]*\}/, '{…}'], [/<[^<>]*>/, '<…>'],
  [/\$[A-Za-z_]\w*/, '$…'], [/%[A-Za-z_]\w*%(?![\dA-Fa-f]{2})/, '%…%'], [/__[A-Z][A-Z\d_]*__/, '__…__']
]

/**
 * Whether a host is this machine: `localhost`, 127.0.0.0/8 and ::1, as in a URL (with brackets) or without.
 * Names below `.localhost` are not: a resolver may send them elsewhere. Nothing is resolved.
 */
export function isLoopbackHost (hostname: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  const version = isIP(host)
  return version === 0 ? host === 'localhost' : LOOPBACK.check(host, version === 4 ? 'ipv4' : 'ipv6')
}

/** Plain http to another host: anyone on the path can read tokens and replace keys. */
export function isInsecure (url: URL | string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !isLoopbackHost(hostname)
}

export interface AddressRules {
  /** Accepts plain http to other hosts. */
  readonly allowInsecureHttp?: boolean
  /** How the reader sets that, such as `ALLOW_INSECURE_HTTP=on`: named in the message. */
  readonly insecureSwitch?: string
  /** Accepts a query (`?…`). */
  readonly allowQuery?: boolean
}

/**
 * What is expected instead of an address that cannot be used, to follow the word "expected"; undefined: it can be used.
 * The value is never quoted, as it may be a secret in the wrong place. Not checked: whether anything responds there.
 */
export function addressProblem (value: string, rules: AddressRules = {}): string | undefined {
  return valueProblem(value, 'an address') ?? formProblem(value) ?? partsProblem(value, rules)
}

/**
 * What is expected instead of a value that cannot be meant: quotes or brackets around it, or a placeholder that nothing
 * replaced. `what` names the value, such as `a name`. For names and addresses, not for secrets: those may look like anything.
 */
export function valueProblem (value: string, what: string): string | undefined {
  if (/^["'`“”‘’]|["'`“”‘’]$/.test(value)) return `${what} without quotes around it`
  if (/^\[.*\]$|^\(.*\)$|^<https?:.*>$/.test(value)) return `${what} without brackets around it`
  const placeholder = PLACEHOLDERS.find(([pattern]) => pattern.test(value))
  return placeholder && `${what} in place of the placeholder ${placeholder[1]}`
}

/** The parser of URLs silently removes or repairs most of these. */
function formProblem (value: string): string | undefined {
  if (/https?:\/\/.*https?:\/\//s.test(value)) return 'one address, not several'
  if (/[\s\p{Cc}\p{Cf}]/u.test(value)) return 'an address without spaces, line breaks or invisible characters'
  if (value.includes('\\')) return 'an address without backslashes'
  if (!/^https?:\/\/[^/]/.test(value) || !URL.canParse(value)) {
    return 'an address that begins with https:// or http://, such as https://host/path'
  }
  return undefined
}

function partsProblem (value: string, { allowInsecureHttp = false, insecureSwitch, allowQuery = false }: AddressRules): string | undefined {
  const url = new URL(value)
  if (url.username !== '' || url.password !== '') return 'an address without a user name or password'
  if (value.includes('#')) return 'an address without a fragment (#)'
  if (!allowQuery && value.includes('?')) return 'an address without a query (?)'
  if (allowInsecureHttp || !isInsecure(url)) return undefined
  const accepted = insecureSwitch === undefined ? '' : `; ${insecureSwitch} accepts it`
  return `an address that begins with https://, since anyone on the path can read and change plain http to another host${accepted}`
}
