import type { Access } from './access-policy.ts'

/** One method and path, with what it requires. */
export interface AccessRow {
  readonly method: string
  readonly url: string
  readonly access: Access
  /** Where the access comes from when the route itself declares none: the allowance for trusted plugins, or `unlisted: 'public'`. */
  readonly by?: string
  /** Fastify's constraints (version, host), as text, for routes that share method and path. */
  readonly constraints?: string
}

/** Every scope that any of the routes may require, sorted (RFC 9728 `scopes_supported`). */
export function scopesOf (rows: readonly AccessRow[]): readonly string[] {
  return [...new Set(rows.flatMap(({ access }) => access.challengeScopes))].sort()
}

/**
 * The access matrix as text, a line for each method and path, sorted: kept in a snapshot, a change of access is a diff in review.
 */
export function formatAccess (rows: readonly AccessRow[]): string {
  const lines = rows.map(({ method, url, access, by, constraints }) => [
    constraints === undefined ? url : `${url} ${constraints}`,
    method,
    by === undefined ? describeAccess(access) : `${describeAccess(access)} (${by})`
  ] as const).sort()
  const width = (column: 0 | 1): number => Math.max(0, ...lines.map((line) => line[column].length))
  return lines.map(([url, method, demands]) => `${method.padEnd(width(1))}  ${url.padEnd(width(0))}  ${demands}`).join('\n')
}

const OPEN: Readonly<Record<Exclude<Access['mode'], 'protected'>, string>> = {
  public: 'anyone',
  preflight: 'CORS preflight only',
  optional: 'anyone; a token that is presented must be valid'
}

/** What a route requires, in words. */
export function describeAccess ({ mode, scopes, anyScope, realmRoles, clientRoles, kind, clientId, bound }: Access): string {
  if (mode !== 'protected') return OPEN[mode]
  const demands = [
    ...scopes.length > 0 ? [`scope ${scopes.join(' and ')}`] : [],
    ...anyScope.length > 0 ? [`scope ${anyScope.join(' or ')}`] : [],
    ...realmRoles.length > 0 ? [`realm role ${realmRoles.join(' and ')}`] : [],
    ...Object.entries(clientRoles).map(([client, roles]) => `role ${roles.join(' and ')} of ${client}`),
    ...kind === undefined ? [] : [`a ${kind}`],
    ...clientId ? ['a client id'] : [],
    ...bound ? ['bound to a key'] : []
  ]
  return demands.length === 0 ? 'any valid token' : `valid token: ${demands.join(', ')}`
}
