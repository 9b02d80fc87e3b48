import { InsufficientScope } from './errors.ts'
import type { Principal } from './principal.ts'

/** The scopes that exist, with a sentence each. A route that asks for another does not start. */
export type ScopeCatalogue = Readonly<Record<string, string>>

/** What a route may demand. Several members must all hold. */
export interface Demands {
  /** All of them; 'a b' stands for both words. Empty: any valid token. */
  readonly scopes?: readonly string[]
  /** One of them. */
  readonly anyScope?: readonly string[]
  readonly realmRoles?: readonly string[]
  /** By client: the names of its roles. */
  readonly clientRoles?: Readonly<Record<string, readonly string[]>>
  readonly kind?: 'service' | 'user'
}

/** What a route says in `config.auth`. `optional`: open, but a caller who shows a token is known, and a bad token is refused. */
export type DeclaredAccess = 'public' | Demands | { readonly optional: true }

/** A declaration that was held against the rules, in one shape. */
export interface Access {
  readonly mode: 'public' | 'optional' | 'protected'
  readonly scopes: readonly string[]
  readonly anyScope: readonly string[]
  readonly realmRoles: readonly string[]
  readonly clientRoles: Readonly<Record<string, readonly string[]>>
  readonly kind: 'service' | 'user' | undefined
  /** The `scope` of a challenge: everything this route may ask for. */
  readonly challengeScopes: readonly string[]
}

const OPEN: Omit<Access, 'mode'> = { scopes: [], anyScope: [], realmRoles: [], clientRoles: {}, kind: undefined, challengeScopes: [] }

/** A declaration → what it demands, or the sentences that say what is wrong with it. */
export function compileAccess (declared: unknown, catalogue: ScopeCatalogue): Access | readonly string[] {
  if (declared === undefined) return ['declares no access: give it config.auth, \'public\' or what it demands, such as { scopes: [] } for any valid token']
  if (declared === 'public') return { mode: 'public', ...OPEN }
  if (!isObject(declared)) return [`config.auth is ${JSON.stringify(declared)}: 'public' or an object is expected`]
  if (Object.hasOwn(declared, 'optional')) {
    if (declared.optional === true && Object.keys(declared).length === 1) return { mode: 'optional', ...OPEN }
    return ['config.auth.optional stands alone, as { optional: true }: what is open to all cannot demand anything']
  }
  const faults = faultsOf(declared, catalogue)
  return faults.length > 0 ? faults : compiled(declared)
}

function compiled (demands: Demands): Access {
  const scopes = wordsOf(demands.scopes ?? [])
  const anyScope = [...new Set(demands.anyScope ?? [])]
  return {
    mode: 'protected',
    scopes,
    anyScope,
    realmRoles: demands.realmRoles ?? [],
    clientRoles: demands.clientRoles ?? {},
    kind: demands.kind,
    challengeScopes: [...new Set([...scopes, ...anyScope])]
  }
}

const MEMBERS = ['scopes', 'anyScope', 'realmRoles', 'clientRoles', 'kind']

function faultsOf (declared: Readonly<Record<string, unknown>>, catalogue: ScopeCatalogue): string[] {
  const { scopes, anyScope, realmRoles, clientRoles, kind } = declared
  const has = (name: string): boolean => Object.hasOwn(declared, name)
  const faults = Object.keys(declared).filter((name) => !MEMBERS.includes(name))
    .map((name) => `config.auth.${name} is not known: ${[...MEMBERS, 'optional'].join(', ')} are`)
  if (Object.keys(declared).length === 0) faults.push('config.auth is {}: say { scopes: [] } for any valid token')
  if (has('scopes') && !isWords(scopes)) faults.push('config.auth.scopes is no array of scope names')
  if (has('anyScope') && !(isWords(anyScope) && anyScope.length > 0)) faults.push('config.auth.anyScope is no array of one or more scope names')
  if (has('anyScope') && isWords(anyScope) && anyScope.some((scope) => scope.includes(' '))) faults.push('config.auth.anyScope takes one name in each string')
  if (has('realmRoles') && !isNames(realmRoles)) faults.push('config.auth.realmRoles is no array of one or more role names')
  if (has('clientRoles') && !isClientRoles(clientRoles)) faults.push('config.auth.clientRoles is no object of client → array of one or more role names')
  if (has('kind') && kind !== 'service' && kind !== 'user') faults.push('config.auth.kind is neither \'service\' nor \'user\'')
  const named = [...isWords(scopes) ? wordsOf(scopes) : [], ...isWords(anyScope) ? wordsOf(anyScope) : []]
  for (const scope of named) if (!Object.hasOwn(catalogue, scope)) faults.push(`the scope ${JSON.stringify(scope)} is not in the catalogue (${Object.keys(catalogue).join(', ')})`)
  return faults
}

function wordsOf (scopes: readonly string[]): string[] {
  return [...new Set(scopes.flatMap((scope) => scope.split(' ')))]
}

function isObject (value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isWords (value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && one.split(' ').every((word) => word !== ''))
}

function isNames (value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== '')
}

function isClientRoles (value: unknown): boolean {
  return isObject(value) && Object.keys(value).length > 0 && Object.entries(value).every(([client, roles]) => client !== '' && isNames(roles))
}

/** Whether a known caller may enter: throws InsufficientScope, which names what is missing and all that the route needs. Pure. */
export function enforceAccess (access: Access, principal: Principal): void {
  for (const scope of access.scopes) if (!principal.has(scope)) refuseScope(access, principal)
  if (access.anyScope.length > 0 && !access.anyScope.some((scope) => principal.has(scope))) refuseScope(access, principal)
  if (access.kind !== undefined && access.kind !== principal.kind) {
    throw new InsufficientScope('kind_not_allowed', `Only a ${access.kind === 'service' ? 'service\'s own' : 'user\'s'} access token may do this`, access.challengeScopes)
  }
  for (const role of access.realmRoles) if (!principal.realmRoles.includes(role)) refuseRole(access, `realm role ${role}`)
  for (const [client, roles] of Object.entries(access.clientRoles)) {
    for (const role of roles) if (principal.clientRoles[client]?.includes(role) !== true) refuseRole(access, `role ${role} of client ${client}`)
  }
}

function refuseScope ({ scopes, anyScope, challengeScopes }: Access, principal: Principal): never {
  const missing = scopes.filter((scope) => !principal.has(scope))
  const words = missing.length > 0
    ? `the scope ${missing.join(' ')}`
    : `one of the scopes ${anyScope.join(' ')}`
  throw new InsufficientScope('scope_missing', `The access token lacks ${words}`, challengeScopes)
}

function refuseRole ({ challengeScopes }: Access, role: string): never {
  throw new InsufficientScope('role_missing', `The access token lacks the ${role}`, challengeScopes)
}
