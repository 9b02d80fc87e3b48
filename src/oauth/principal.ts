/** Who is calling, as a verified token says. Deep-frozen and shared between the requests of one token. */
export interface Principal {
  /** `azp`, else `client_id`. Keycloak always says it; undefined when the token names no client. */
  readonly clientId: string | undefined
  /** `sub`. Never to be compared with a client id (RFC 9700 §4.15). A lightweight user token may lack it. */
  readonly subject: string | undefined
  readonly kind: 'service' | 'user'
  readonly scopes: readonly string[]
  readonly realmRoles: readonly string[]
  readonly clientRoles: Readonly<Record<string, readonly string[]>>
  readonly issuer: string
  /** Seconds since the epoch. */
  readonly expiresAt: number
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
  readonly realm_access?: { readonly roles?: readonly string[] }
  readonly resource_access?: Readonly<Record<string, { readonly roles?: readonly string[] }>>
  readonly [claim: string]: unknown
}

const NONE: readonly string[] = Object.freeze([])

/**
 * Claims → principal. Thousands of them are kept: `has` is on the prototype.
 * Not checked here: anything about the claims; they come from a token that was read and verified.
 */
export function principalOf (claims: Claims): Principal {
  return Object.freeze(new TokenPrincipal(deepFreeze(claims)))
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
  readonly claims: Claims

  constructor (claims: Claims) {
    this.clientId = claims.azp ?? claims.client_id
    this.subject = claims.sub
    this.kind = kindOf(claims)
    this.scopes = claims.scope === undefined || claims.scope === '' ? NONE : Object.freeze(claims.scope.split(' '))
    this.realmRoles = claims.realm_access?.roles ?? NONE
    this.clientRoles = clientRolesOf(claims.resource_access)
    this.issuer = claims.iss
    this.expiresAt = claims.exp
    this.claims = claims
  }

  has (scope: string): boolean {
    return this.scopes.includes(scope)
  }
}

const NO_ROLES: Principal['clientRoles'] = Object.freeze(Object.create(null) as Record<string, readonly string[]>)

function clientRolesOf (access: Claims['resource_access']): Principal['clientRoles'] {
  if (access === undefined) return NO_ROLES
  const roles = Object.create(null) as Record<string, readonly string[]>
  for (const [client, entry] of Object.entries(access)) roles[client] = entry.roles ?? NONE
  return Object.freeze(roles)
}

/**
 * Keycloak 26 writes the grant into `jti` (`trrtcc:` is client credentials; `rt` a refresh of either). Without that, its service
 * accounts carry `client_id` and its users `sid`. Tokens of other issuers do not tell: RFC 9068 gives `client_id` to both.
 * What cannot be told is a user: `kind: 'service'` then stays closed.
 */
function kindOf (claims: Claims): Principal['kind'] {
  const grant = /^[a-z]{4}([a-z]{2}):/.exec(claims.jti ?? '')?.[1]
  if (grant === 'cc') return 'service'
  if (grant !== undefined && grant !== 'rt') return 'user'
  if (claims.client_id === undefined || claims.client_id !== claims.azp) return 'user'
  return grant === 'rt' ? kindOfRefreshed(claims) : claims.sid === undefined ? 'service' : 'user'
}

/** A refreshed token has a session either way; Keycloak names the account of a service after its client. */
function kindOfRefreshed ({ azp = '', preferred_username: name }: Claims): Principal['kind'] {
  return name === `service-account-${azp.toLowerCase()}` ? 'service' : 'user'
}

function deepFreeze<T> (value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const inner of Object.values(value)) deepFreeze(inner)
  }
  return value
}
