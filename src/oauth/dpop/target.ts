/** RFC 3986 §2: what a URI may contain. `new URL` would accept more, and correct it. */
const URI = /^https?:\/\/[^\s\\/?#@\p{Cc}]+(?:[/?#][^\s\\\p{Cc}]*)?$/iu
const UNRESERVED = /^[A-Za-z\d\-._~]$/

/**
 * The URI of a request as a proof names it (`htu`, RFC 9449 §4.3): after syntax- and scheme-based normalization (RFC 3986 §6.2.2,
 * §6.2.3), without query and fragment. Undefined: not an http(s) URI. A host in other scripts than ASCII is its punycode.
 */
export function normalizedTarget (uri: string): string | undefined {
  if (!URI.test(uri)) return undefined
  const text = withoutQuery(uri).replace(/%[\da-f]{2}/gi, (escape) => {
    const character = String.fromCharCode(Number.parseInt(escape.slice(1), 16))
    return UNRESERVED.test(character) ? character : escape.toUpperCase()
  })
  return URL.canParse(text) ? new URL(text).href : undefined
}

/** RFC 9112 §3.2.2: a caller may send the whole address. Who is called is said by PUBLIC_URL alone. */
const ABSOLUTE_FORM = /^https?:\/\/[^/]*(?=\/)/i
const DOT_SEGMENT = /\/(?:\.|%2e){1,2}(?:\/|$)/i

/**
 * The same of a request, by the path that it was sent to (RFC 9112 §3.2.1, §3.2.2): what a proof may name. None where no proof can name it:
 * its target is no path, or it has a segment `..`, which normalization resolves and the router does not. The root has two, with and without
 * the slash: a gateway that removes the prefix sends `/` for both, and both are this resource.
 */
export function targetsOf (target: string, publicUrl: string): readonly string[] {
  const path = withoutQuery(target).replace(ABSOLUTE_FORM, '')
  if (!path.startsWith('/') || DOT_SEGMENT.test(path)) return []
  const named = normalizedTarget(publicUrl + path)
  if (named === undefined) return []
  return path === '/' ? [named, named.slice(0, -1)] : [named]
}

/** A target or path of a request without its query and fragment. */
export function withoutQuery (target: string): string {
  return /^[^?#]*/.exec(target)?.[0] ?? ''
}
