/** What an ISSUER that is not a realm's address probably is, by its path. */
const MISTAKES: ReadonlyArray<readonly [path: RegExp, what: string]> = [
  [/^\/(?:auth\/)?(?:admin|realms\/[^/]+\/account)(?:\/|$)/, 'is the address of a console'],
  [/\/\.well-known\/|\/protocol\//, 'is the address of one of its endpoints'],
  [/^\/(?:auth\/?)?$/, 'names no realm'],
  [/^\/(?:auth\/)?realms\/?$/, 'names no realm']
]

/**
 * What to look at when the keys are not found (404), in one sentence. Keycloak's issuer is the address of a realm; before version 17
 * and with `http-relative-path` there is a path such as `/auth` in front. Pure: nothing is fetched.
 */
export function addressHint (issuer: string, jwksUrl: string): string {
  const { origin, pathname } = new URL(issuer)
  const prefix = /^\/auth(?:\/|$)/.test(pathname) ? '/auth' : ''
  const form = 'Keycloak\'s issuer is <base>/realms/<realm>'
  if (!jwksUrl.startsWith(issuer.replace(/\/$/, ''))) {
    return `${form}, and JWKS_URL is that with /protocol/openid-connect/certs: check JWKS_URL`
  }
  const mistake = MISTAKES.find(([path]) => path.test(pathname))
  if (mistake !== undefined) return `${form}, such as ${origin}/realms/myorg; ISSUER ${mistake[1]}`
  const other = prefix === ''
    ? `${origin}/auth${pathname} (Keycloak before 17)`
    : `${origin}${pathname.slice(prefix.length)} (Keycloak 17 and later)`
  return `${form}: check the realm's name (upper and lower case differ), or try ${other}`
}
