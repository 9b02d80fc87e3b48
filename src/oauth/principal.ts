import { confirmationOf, type Confirmation } from './confirmation.ts'
import { scopeList } from './scope-list.ts'

/** Who is calling, as a verified token says. Deep-frozen and shared between the requests of one token. */
export interface Principal {
  /**
   * `azp`, else `client_id`; for RFC 9068 tokens (`at+jwt`) `client_id`. Undefined when the token names no client, or when the two
   * claims name different ones: a route that needs it requires it with `clientId: true`.
   */
  readonly clientId: string | undefined
  /** `sub`. Never to be compared with a client id (RFC 9700 §4.15). A lightweight user token may lack it. */
  readonly subject: string | undefined
  /** `service` only with proof (see `kindOf`); `user` is what Keycloak marks as one, `unknown` is everything else. */
  readonly kind: 'service' | 'user' | 'unknown'
  readonly scopes: readonly string[]
  readonly realmRoles: readonly string[]
  readonly clientRoles: Readonly<Record<string, readonly string[]>>
  readonly issuer: string
  /** Seconds since the epoch. */
  readonly expiresAt: number
  /** What the token is bound to, proven for this request; undefined for a bearer token. */
  readonly confirmation: Confirmation | undefined
  /** Of the prototype, as `has` is: JSON.stringify of a principal leaves them out. */
  readonly claims: Claims
  /** Whether the token holds this one scope (RFC 6749 §3.3: compared exactly). */
  has (scope: string): boolean
}

/** The claims that the reader has checked, and whatever else the token holds. */
export interface Claims {
  readonly iss: string
  readonly exp: number
  readonly aud?: string | readonly string[]
  readonly sub?: string
  readonly azp?: string
  readonly client_id?: string
  readonly scope?: string
  readonly sid?: string
  readonly jti?: string
  readonly typ?: string
  readonly cnf?: unknown
  readonly realm_access?: { readonly roles?: readonly string[] }
  readonly resource_access?: Readonly<Record<string, { readonly roles?: readonly string[] }>>
  readonly [claim: string]: unknown
}

const NONE: readonly string[] = Object.freeze([])

/** What an issuer's tokens say about the caller. */
export interface IssuerProofs {
  readonly tokenKind: 'keycloak' | 'at+jwt'
  /** A claim that only tokens of services contain, with exactly this value (SERVICE_CLAIM). */
  readonly serviceClaim: { readonly name: string, readonly value: string } | undefined
}

const KEYCLOAK: IssuerProofs = { tokenKind: 'keycloak', serviceClaim: undefined }

/**
 * Claims → principal. Thousands of them are kept: `has` is on the prototype.
 * Not checked here: anything about the claims; they come from a token that was read and verified.
 */
export function principalOf (claims: Claims, issuer: IssuerProofs = KEYCLOAK): Principal {
  return Object.freeze(new TokenPrincipal(claims, issuer))
}

class TokenPrincipal implements Principal {
  readonly clientId: string | undefined
  readonly subject: string | undefined
  readonly kind: Principal['kind']
  readonly scopes: readonly string[]
  readonly realmRoles: readonly string[]
  readonly clientRoles: Principal['clientRoles']
  readonly issuer: string
  readonly expiresAt: number
  readonly confirmation: Confirmation | undefined
  readonly #claims: Claims

  constructor (claims: Claims, issuer: IssuerProofs) {
    this.clientId = clientIdOf(claims, issuer)
    this.subject = claims.sub
    this.kind = kindOf(claims, issuer)
    this.scopes = claims.scope === undefined || claims.scope === '' ? NONE : scopeList(claims.scope)
    this.realmRoles = Object.freeze(claims.realm_access?.roles ?? NONE)
    this.clientRoles = clientRolesOf(claims.resource_access)
    this.issuer = claims.iss
    this.expiresAt = claims.exp
    this.confirmation = confirmationOf(claims.cnf)
    this.#claims = claims
  }

  /** Frozen when they are first asked for: most handlers never do. */
  get claims (): Claims {
    return deepFreeze(this.#claims)
  }

  has (scope: string): boolean {
    return this.scopes.includes(scope)
  }
}

const NO_ROLES: Principal['clientRoles'] = Object.freeze(Object.create(null) as Record<string, readonly string[]>)

function clientRolesOf (access: Claims['resource_access']): Principal['clientRoles'] {
  if (access === undefined) return NO_ROLES
  const roles = Object.create(null) as Record<string, readonly string[]>
  for (const [client, entry] of Object.entries(access)) roles[client] = Object.freeze(entry.roles ?? NONE)
  return Object.freeze(roles)
}

/** RFC 9068 §2.2 has `client_id` alone; Keycloak has `azp`, and `client_id` by a mapper, which a realm can point at any text. */
function clientIdOf ({ azp, client_id: clientId }: Claims, { tokenKind }: IssuerProofs): string | undefined {
  if (tokenKind === 'at+jwt') return clientId
  return azp === undefined || clientId === undefined || azp === clientId ? azp ?? clientId : undefined
}

/** Keycloak since 26.2.0: two letters each for session, token and grant, then an id. */
const MARK = /^[a-z]{4}([a-z]{2}):/

/**
 * Only two things prove a service: the configured claim, and in Keycloak's own tokens the grant that `jti` names (`cc`, client
 * credentials). Any other grant is a user's, but for a refresh (`rt`), which is the same for both. `sid`, `client_id` and a
 * `preferred_username` that begins with `service-account-` prove nothing: services have sessions, mappers write the second, and users can
 * have such names. RFC 9068 gives nothing to tell by.
 */
function kindOf (claims: Claims, { tokenKind, serviceClaim }: IssuerProofs): Principal['kind'] {
  if (serviceClaim !== undefined && Object.hasOwn(claims, serviceClaim.name) && claims[serviceClaim.name] === serviceClaim.value) {
    return 'service'
  }
  if (tokenKind === 'at+jwt') return 'unknown'
  switch (MARK.exec(claims.jti ?? '')?.[1]) {
    case undefined:
    case 'rt':
      return 'unknown'
    case 'cc':
      return 'service'
    default:
      return 'user'
  }
}

function deepFreeze<T> (value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
