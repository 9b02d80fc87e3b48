import { printable } from './printable.ts'

interface Address {
  readonly scheme: string
  readonly host: string
  readonly port: string | undefined
  readonly path: string
}

/**
 * Says how the `iss` of a token differs from a trusted issuer, where both are likely to be the same realm or the same server to a person:
 * one or two sentences, or undefined where they have nothing in common. `given` is not verified and may be any text.
 */
export function issuerDifference (given: string, trusted: string): string | undefined {
  const [token, ours] = [addressOf(given), addressOf(trusted)]
  if (token === undefined || ours === undefined) return undefined
  const sameHost = token.host.toLowerCase() === ours.host.toLowerCase()
  const samePath = plain(token.path) === plain(ours.path)
  if (sameHost && samePath) {
    return `iss is ${printable(given)} and differs only in ${spellings(token, ours).join(' and ')}; issuers are compared character by ` +
      'character. If both are the same realm, write ISSUER exactly as iss, or correct the host name in Keycloak (KC_HOSTNAME).'
  }
  if (samePath) {
    return `iss is ${printable(given)}: the same realm name under another host name. In Keycloak the host name of the token request ` +
      'decides iss unless KC_HOSTNAME fixes it. Set KC_HOSTNAME, or let the caller request the token at the address in ISSUER.'
  }
  return sameHost
    ? `iss is ${printable(given)}: another realm of the same server. The caller must request the token from the realm in ISSUER.`
    : undefined
}

function addressOf (text: string): Address | undefined {
  const [, scheme = '', host = '', port, path = ''] = /^(https?):\/\/([^/:?#@]+|\[[^\]/]*\])(?::(\d*))?(\/[^?#]*)?$/i.exec(text) ?? []
  return host === '' ? undefined : { scheme, host, port, path }
}

/** Keycloak before version 17 had /auth before /realms. */
function plain (path: string): string {
  return path.replace(/\/+$/, '').replace(/^\/auth(?=\/realms\/)/, '').toLowerCase()
}

function spellings (token: Address, ours: Address): string[] {
  const [path, ourPath] = [token.path, ours.path].map((one) => one.replace(/\/+$/, '')) as [string, string]
  const [prefix, ourPrefix] = [token.path, ours.path].map((one) => one.startsWith('/auth/realms/'))
  return [
    ...token.scheme.toLowerCase() !== ours.scheme.toLowerCase()
      ? [`the scheme (${token.scheme.toLowerCase()}, not ${ours.scheme.toLowerCase()})`]
      : [],
    ...token.host !== ours.host ? ['the case of the host name'] : [],
    ...token.port !== ours.port ? [`the port (${portOf(token)}, not ${portOf(ours)})`] : [],
    ...(token.path === path) !== (ours.path === ourPath)
      ? [`the slash at the end (${token.path === path ? 'iss' : 'ISSUER'} has none)`]
      : [],
    ...prefix !== ourPrefix
      ? [`/auth before /realms (${prefix === true ? 'ISSUER' : 'iss'} has none; Keycloak leaves it out since version 17)`]
      : [],
    ...path.replace(/^\/auth/, '') !== ourPath.replace(/^\/auth/, '') ? ['the case of the path'] : []
  ]
}

function portOf ({ port }: Address): string {
  return port === undefined ? 'none' : `:${port}`
}
