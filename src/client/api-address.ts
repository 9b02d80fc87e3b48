import { SettingsError } from './errors.ts'

/**
 * The address of a call, resolved against `apiUrl`, whose origin and path are a wall: the token is sent nowhere else.
 * Throws {@link SettingsError} for an address beyond it, however it is spelt (`//host`, `/\host`, `../x`, `%2e%2e%2fx`, `..;/x`).
 */
export function addressOf (path: unknown, apiUrl: URL): URL {
  const wall = apiUrl.pathname.endsWith('/') ? apiUrl.pathname : `${apiUrl.pathname}/`
  const url = typeof path === 'string' ? resolve(path, apiUrl, wall) : undefined
  if (url === undefined || url.origin !== apiUrl.origin || url.username !== '' || url.password !== '' || leaves(url.pathname, apiUrl.pathname, wall)) {
    throw new SettingsError([{ option: 'path', expected: `a path below ${apiUrl.origin}${wall}; the token is sent nowhere else` }])
  }
  return url
}

/** `https://host/v1` is the same wall as `https://host/v1/`; the empty path and a query alone mean `apiUrl` itself. */
function resolve (path: string, apiUrl: URL, wall: string): URL | undefined {
  const base = path === '' || /^[?#]/.test(path) ? apiUrl : new URL(wall, apiUrl)
  return URL.canParse(path, base.href) ? new URL(path, base) : undefined
}

/** Servers and gateways decode more often than once and differ in what separates: every reading must stay below the wall. */
function leaves (pathname: string, own: string, wall: string): boolean {
  if (pathname === own || wall === '/') return false
  if (!pathname.startsWith(wall)) return true
  let depth = 0
  for (const segment of decoded(pathname.slice(wall.length)).split(/[/\\]/)) {
    const name = segment.replace(/[;\0].*$/s, '').trim()
    if (name === '..') depth--
    else if (name !== '' && name !== '.') depth++
    if (depth < 0) return true
  }
  return false
}

/** Decoded until nothing changes; `%c0%ae` and `%c0%af` are the overlong forms of `.` and `/`. */
function decoded (path: string): string {
  const once = path.replace(/%c0%ae/gi, '.').replace(/%c0%af/gi, '/')
    .replace(/%([\da-f]{2})/gi, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return once === path ? path : decoded(once)
}
