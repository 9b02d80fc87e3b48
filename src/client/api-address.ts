import { SettingsError } from './errors.ts'
import type { Api } from './settings.ts'

/** Where a call goes, and as which API's. */
export interface Target { readonly url: URL, readonly api: Api }

/**
 * The address of a call, resolved against the first API. The origin and the path of each API are a wall: the token is sent nowhere
 * else. Throws {@link SettingsError} for an address beyond, however it is spelt (`//host`, `/\host`, `../x`, `%2e%2e%2fx`, `..;/x`).
 */
export function targetOf (path: unknown, apis: readonly [Api, ...Api[]]): Target {
  const url = typeof path === 'string' ? resolve(path, apis[0].url, wallOf(apis[0].url)) : undefined
  const api = url === undefined ? undefined : apiOf(url, apis)
  if (url === undefined || api === undefined) {
    const places = apis.map((one) => `${one.url.origin}${wallOf(one.url)}`).join(' or ')
    throw new SettingsError([{ option: 'path', expected: `a path below ${places}; the token is sent nowhere else` }])
  }
  return { url, api }
}

/** The API that an address belongs to: of several the one with the longest path. */
export function apiOf (url: URL, apis: readonly Api[]): Api | undefined {
  const fitting = apis.filter((api) => isWithin(url, api.url))
  return fitting.sort((a, b) => b.url.pathname.length - a.url.pathname.length)[0]
}

function isWithin (url: URL, apiUrl: URL): boolean {
  return url.origin === apiUrl.origin && url.username === '' && url.password === '' && !leaves(url.pathname, apiUrl.pathname, wallOf(apiUrl))
}

const wallOf = ({ pathname }: URL): string => pathname.endsWith('/') ? pathname : `${pathname}/`

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
