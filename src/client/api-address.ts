import { SettingsError } from './errors.ts'
import type { Api } from './settings.ts'

/** Where a call goes, and as which API's. */
export interface Target { readonly href: string, readonly api: Api }

/**
 * Paths that the URL parser leaves as they are, and that nobody reads in another way: letters, digits, `-`, `_`, `~`, one query; no dot,
 * nothing encoded. To parse the rest costs a call one part in thirty.
 */
const PLAIN = /^\/(?!\/)[\w~/-]*(?:\?[\w~=&-]*)?$/

/**
 * The address of a call, resolved against the first API. The origin and the path of each API are a wall: the token is sent nowhere
 * else. Throws {@link SettingsError} for an address beyond, however it is spelt (`//host`, `/\host`, `../x`, `%2e%2e%2fx`, `..;/x`).
 */
export function targetOf (path: unknown, apis: readonly [Api, ...Api[]]): Target {
  const [first] = apis
  if (apis.length === 1 && typeof path === 'string' && isPlainly(path, first)) return { href: first.origin + path, api: first }
  const url = typeof path === 'string' ? resolve(path, first) : undefined
  const api = url === undefined ? undefined : apiOf(url, apis)
  if (url === undefined || api === undefined) {
    const places = apis.map((one) => one.origin + one.wall).join(' or ')
    throw new SettingsError([{ option: 'path', expected: `a path below ${places}; the token is sent nowhere else` }])
  }
  return { href: url.href, api }
}

/** The API that an absolute address belongs to; undefined also for what is not an address. */
export function apiAt (address: string, apis: readonly [Api, ...Api[]]): Api | undefined {
  const [first] = apis
  if (apis.length === 1 && address.startsWith(first.origin) && isPlainly(address.slice(first.origin.length), first)) return first
  return URL.canParse(address) ? apiOf(new URL(address), apis) : undefined
}

/** The origin that undici has been given (RFC 6454 section 4). Undefined: there is none, or more than scheme, host and port. */
export function originOf (given: string | URL | undefined): string | undefined {
  const text = String(given)
  const { href, origin } = URL.canParse(text) ? new URL(text) : { href: '', origin: '' }
  return href === `${origin}/` ? origin : undefined
}

function isPlainly (path: string, { wall }: Api): boolean {
  return path.startsWith(wall) && PLAIN.test(path)
}

/** Of several the one with the longest path. */
export function apiOf (url: URL, apis: readonly Api[]): Api | undefined {
  const fitting = apis.filter((api) => isWithin(url, api))
  return fitting.sort((a, b) => b.url.pathname.length - a.url.pathname.length)[0]
}

function isWithin (url: URL, { url: { pathname }, origin, wall }: Api): boolean {
  return url.origin === origin && url.username === '' && url.password === '' && !leaves(url.pathname, pathname, wall)
}

/** The path that addresses of an API begin with. `https://host/v1` is the same wall as `https://host/v1/`. */
export const wallOf = ({ pathname }: URL): string => pathname.endsWith('/') ? pathname : `${pathname}/`

/** The empty path and a query alone mean `apiUrl` itself. */
function resolve (path: string, { url, wall }: Api): URL | undefined {
  const base = path === '' || /^[?#]/.test(path) ? url : new URL(wall, url)
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
