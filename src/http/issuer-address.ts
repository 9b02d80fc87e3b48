/**
 * What to write when another address of an issuer was given as the issuer itself: its discovery document, key set or token
 * endpoint, the admin console, the Admin API. Undefined: nothing speaks against it. `value` is an address that can be used.
 * Not checked: whether an issuer is there.
 */
export function issuerProblem (value: string): string | undefined {
  const { origin, pathname } = new URL(value)
  const written = (issuer: string): string => `the issuer itself, ${issuer}`
  const discovery = /^(.*)\/\.well-known\/(?:openid-configuration|oauth-authorization-server)(\/.*)?$/.exec(pathname)
  if (discovery !== null) {
    return `${written(`${origin}${discovery[1] ?? ''}${discovery[2] ?? ''}`)}, and not the address of its discovery document`
  }
  const endpoint =
    /^(.*\/realms\/[^/]+)\/(?:protocol|account|clients-registrations|login-actions|broker|\.well-known)(?:\/.*)?$/.exec(pathname)
  if (endpoint !== null) return `${written(`${origin}${endpoint[1] ?? ''}`)}, and not one of its endpoints`
  const admin = /^(.*)\/admin\/(?:realms\/([^/]+)|[^/]+\/console)(?:\/.*)?$/.exec(pathname)
  if (admin !== null) {
    return `${written(`${origin}${admin[1] ?? ''}/realms/${admin[2] ?? '<realm>'}`)}, and not an address of the admin console`
  }
  if (/\/realms\/?$/.test(pathname)) return `the name of the realm too, ${origin}${pathname.replace(/\/?$/, '/')}<realm>`
  if (/\/realms\/[^/]+\/$/.test(pathname)) return 'no slash at the end (Keycloak puts none in iss)'
  if (/\/\/realms\//.test(pathname)) return 'one slash before realms'
  if (/\/(?:token|certs|jwks|jwks\.json)$|\/\.well-known\//.test(pathname)) {
    return 'the issuer itself, and not the address of its token endpoint or key set'
  }
  return undefined
}

/** The realm in Keycloak's addresses, decoded; undefined: another kind of address. */
export function realmOf (address: string): string | undefined {
  const name = /\/realms\/([^/]+)/.exec(new URL(address).pathname)?.[1]
  try {
    return name === undefined ? undefined : decodeURIComponent(name)
  } catch {
    return name
  }
}

/** The address without `:443` of https or `:80` of http, which most issuers leave out of `iss`; undefined: it has none. */
export function withoutDefaultPort (address: string): string | undefined {
  const match = /^(https:\/\/[^/?#]*?):443(?=$|[/?#])|^(http:\/\/[^/?#]*?):80(?=$|[/?#])/.exec(address)
  return match === null ? undefined : `${match[1] ?? match[2] ?? ''}${address.slice(match[0].length)}`
}
