import { InsufficientScope, InvalidToken } from './errors.ts'
import type { Principal } from './principal.ts'

/** The scopes that exist, with a sentence each. A route that requires another one does not start. */
export type ScopeCatalogue = Readonly<Record<string, string>>

/** What a route may require. Several members must all hold. */
export interface Demands {
  /** All of them; 'a b' stands for both words. Empty: any valid token. */
  readonly scopes?: readonly string[]
  /** One of them. */
  readonly anyScope?: readonly string[]
  readonly realmRoles?: readonly string[]
  /** By client: the names of its roles. */
  readonly clientRoles?: Readonly<Record<string, readonly string[]>>
  /**
   * `service`: the token proves that a service is calling. `user`: it does not prove that, which proves nothing: a token of unknown kind is
   * accepted too. Never the only protection of what users may do.
   */
  readonly kind?: 'service' | 'user'
  /** The token must name the client that is calling (`request.principal.clientId` is then a string). */
  readonly clientId?: true
  /** The token must be bound to a key: DPoP (RFC 9449), or a client certificate (RFC 8705). Requires DPOP or CLIENT_CERTIFICATE. */
  readonly bound?: true
}

/** What a route declares in `config.auth`. `optional`: open, but a caller that presents a token is known, and a bad token is refused. */
export type DeclaredAccess = 'public' | RequiredAccess | OptionalAccess

/**
 * One member at least, and none under a name that is often written instead. Fastify infers a type of its own from the whole `config`, so
 * that TypeScript compares only the members that are named here: of `{}`, a number or `{ scope: [] }` it would say nothing otherwise. Any
 * other name stops the start.
 */
type RequiredAccess = {
  [Name in keyof Demands]-?: Demands & Required<Pick<Demands, Name>> }[keyof Demands] & Misspelt & { readonly optional?: never
  }
type OptionalAccess = { readonly optional: true } & { readonly [Name in keyof Demands]?: never } & Misspelt
type Misspelt = { readonly [Name in
  'scope' | 'Scopes' | 'scopeS' | 'scops' | 'anyScopes' | 'anyscope' | 'any_scope' | 'anyOf' | 'allScopes' | 'requiredScopes' |
  'role' | 'roles' | 'realmRole' | 'realm_roles' | 'realmroles' | 'clientRole' | 'client_roles' | 'clientroles' | 'permissions' |
  'kinds' | 'type' | 'clientID' | 'client' | 'clients' | 'client_id' | 'public' | 'required' | 'audience']?: never }

/** A declaration that was checked, in one shape, deep-frozen. `preflight`: open for a CORS preflight only. */
export interface Access {
  readonly mode: 'public' | 'preflight' | 'optional' | 'protected'
  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  readonly realmRoles: readonly string[]
  readonly clientRoles: Readonly<Record<string, readonly string[]>>
  readonly kind: 'service' | 'user' | undefined
  readonly clientId: boolean
  /** Declared, or required of every route (DPOP=required). */
  readonly bound: boolean
  /** The `scope` of a challenge: everything that this route may require. */
  readonly challengeScopes: readonly string[]
}

/**
 * Whether a known caller is authorized: throws InsufficientScope, which names what is missing and all that the route requires, or
 * InvalidToken for a token that is not bound to a key where the route requires that. Pure.
 */
export function enforceAccess (access: Access, principal: Principal): void {
  if (access.bound && principal.confirmation === undefined) throw new InvalidToken('binding_required', 'the route declares bound')
  for (const scope of access.scopes) if (!principal.has(scope)) refuseScope(access, principal)
  if (access.anyScope.length > 0 && !access.anyScope.some((scope) => principal.has(scope))) refuseScope(access, principal)
  if (access.kind !== undefined) enforceKind(access, principal)
  if (access.clientId && principal.clientId === undefined) {
    throw new InsufficientScope('client_unknown', 'The access token does not name one client', access.challengeScopes)
  }
  for (const role of access.realmRoles) if (!principal.realmRoles.includes(role)) refuseRole(access, `realm role ${role}`)
  // Compiled, so its members are its own; Object.entries would make lists for each request.
  for (const client in access.clientRoles) {
    for (const role of access.clientRoles[client] ?? []) {
      if (principal.clientRoles[client]?.includes(role) !== true) refuseRole(access, `role ${role} of client ${client}`)
    }
  }
}

function enforceKind ({ kind, challengeScopes }: Access, principal: Principal): void {
  if (kind === 'user') {
    if (principal.kind === 'service') {
      throw new InsufficientScope('kind_not_allowed', 'Only a user\'s access token may do this', challengeScopes)
    }
  } else if (principal.kind !== 'service') {
    throw new InsufficientScope(
      principal.kind === 'user' ? 'kind_not_allowed' : 'kind_unknown',
      'Only a service\'s own access token may do this',
      challengeScopes
    )
  }
}

function refuseScope ({ scopes, anyScope, challengeScopes }: Access, principal: Principal): never {
  const missing = scopes.filter((scope) => !principal.has(scope))
  const words = missing.length > 0
    ? `the scope ${missing.join(' ')}`
    : `one of the scopes ${anyScope.join(' ')}`
  throw new InsufficientScope('scope_missing', `The access token lacks ${words}`, challengeScopes, { grantedScopes: principal.scopes })
}

function refuseRole ({ challengeScopes }: Access, role: string): never {
  throw new InsufficientScope('role_missing', `The access token lacks the ${role}`, challengeScopes)
}
