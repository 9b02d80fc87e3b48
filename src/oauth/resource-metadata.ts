const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** Where the metadata of a protected resource is (RFC 9728 §3.1): the path of the resource stands after the well-known part. */
export function metadataAddress (publicUrl: string): string {
  const { origin, pathname } = new URL(publicUrl)
  return `${origin}${WELL_KNOWN}${pathname === '/' ? '' : pathname}`
}
