import { inspect } from 'node:util'
import type { Access, Demands, ScopeCatalogue } from './access-policy.ts'
import { nearMiss } from './near-miss.ts'
import { readOnce } from './read-once.ts'

/** What a route requires that anyone may call. */
export const PUBLIC: Access = Object.freeze({ mode: 'public', ...openFor() })
/**
 * What an OPTIONS route requires that declares nothing: it is open for a CORS preflight, which carries no credentials, and for
 * nothing else.
 */
export const PREFLIGHT: Access = Object.freeze({ mode: 'preflight', ...openFor() })
const OPTIONAL: Access = Object.freeze({ mode: 'optional', ...openFor() })

function openFor (): Omit<Access, 'mode'> {
  const none = Object.freeze([])
  return {
    scopes: none, anyScope: none, realmRoles: none, clientRoles: Object.freeze({}), kind: undefined, clientId: false, bound: false,
    challengeScopes: none
  }
}

const UNDECLARED = 'declares no access: set config.auth to \'public\' or to what it requires, such as { scopes: [] } for any valid token'
const MEMBERS = ['scopes', 'anyScope', 'realmRoles', 'clientRoles', 'kind', 'clientId', 'bound']
const KNOWN = [...MEMBERS, 'optional']
/** RFC 6749 §3.3 `scope-token`. */
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

/**
 * A declaration → what it requires, deep-frozen and independent of the object that was given, or the sentences that say what is wrong
 * with it. Without a catalogue any scope name is accepted.
 */
export function compileAccess (declared: unknown, catalogue?: ScopeCatalogue): Access | readonly string[] {
  if (declared === undefined) return [UNDECLARED]
  if (declared === 'public') return PUBLIC
  if (typeof declared !== 'object' || declared === null || Array.isArray(declared)) {
    return [`config.auth is ${printed(declared)}: 'public' or an object is expected`]
  }
  const own = readOnce(declared) as Readonly<Record<string, unknown>>
  const inherited = KNOWN.filter((name) => name in declared && !Object.hasOwn(own, name))
  if (inherited.length > 0) return inherited.map((name) => `config.auth.${name} is inherited: write it into the object itself`)
  if (Object.hasOwn(own, 'optional')) {
    if (own.optional === true && Reflect.ownKeys(own).length === 1) return OPTIONAL
    return ['config.auth.optional stands alone, as { optional: true }: a route that is open to anyone cannot require anything']
  }
  const faults = faultsOf(own, catalogue)
  return faults.length > 0 ? faults : compiled(own)
}

/** The same access, of a token that is bound to a key. */
export function onlyBound (access: Access): Access {
  return access.mode === 'protected' ? Object.freeze({ ...access, bound: true }) : access
}

/** Where a declaration probably stands under a wrong name: sentences for a route that declares nothing. */
export function misplacedAccess (config: object, route: object): string[] {
  const misspelt = Object.keys(config)
    .filter((name) => name !== 'auth' && nearMiss(name, ['auth']) !== undefined)
    .map((name) => `config.${name} is not config.auth: did you mean 'auth'?`)
  return Object.hasOwn(route, 'auth') ? [...misspelt, 'auth stands beside config: write config: { auth: … }'] : misspelt
}

function compiled (demands: Demands): Access {
  const scopes = wordsOf(demands.scopes ?? [])
  const anyScope = [...new Set(demands.anyScope ?? [])]
  return Object.freeze({
    mode: 'protected',
    scopes: Object.freeze(scopes),
    anyScope: Object.freeze(anyScope),
    realmRoles: demands.realmRoles ?? PUBLIC.realmRoles,
    clientRoles: demands.clientRoles ?? PUBLIC.clientRoles,
    kind: demands.kind,
    clientId: demands.clientId ?? false,
    bound: demands.bound ?? false,
    challengeScopes: Object.freeze([...new Set([...scopes, ...anyScope])])
  })
}

function faultsOf (declared: Readonly<Record<string, unknown>>, catalogue: ScopeCatalogue | undefined): string[] {
  const { scopes, anyScope, realmRoles, clientRoles, kind, clientId, bound } = declared
  const has = (name: string): boolean => Object.hasOwn(declared, name)
  const faults = Reflect.ownKeys(declared).map(String).filter((name) => !MEMBERS.includes(name)).map(unknownMember)
  if (Reflect.ownKeys(declared).length === 0) faults.push('config.auth is {}: write { scopes: [] } for any valid token')
  if (has('scopes') && !isWords(scopes)) faults.push('config.auth.scopes is not an array of scope names')
  if (has('anyScope') && !(isWords(anyScope) && anyScope.length > 0)) {
    faults.push('config.auth.anyScope is not an array of one or more scope names')
  }
  if (has('anyScope') && isWords(anyScope) && anyScope.some((scope) => scope.includes(' '))) {
    faults.push('config.auth.anyScope takes one name in each string')
  }
  if (has('realmRoles') && !isNames(realmRoles)) faults.push('config.auth.realmRoles is not an array of one or more role names')
  if (has('clientRoles') && !isClientRoles(clientRoles)) {
    faults.push('config.auth.clientRoles is not an object of client → array of one or more role names')
  }
  if (has('kind') && kind !== 'service' && kind !== 'user') faults.push('config.auth.kind is neither \'service\' nor \'user\'')
  if (has('clientId') && clientId !== true) {
    faults.push('config.auth.clientId is not true: a route that does not need a client leaves it out')
  }
  if (has('bound') && bound !== true) faults.push('config.auth.bound is not true: a route that also accepts bearer tokens leaves it out')
  const named = [...isWords(scopes) ? wordsOf(scopes) : [], ...isWords(anyScope) ? anyScope : []]
  return [...faults, ...named.flatMap((scope) => unknownScope(scope, catalogue) ?? [])]
}

function unknownMember (name: string): string {
  const meant = nearMiss(name, KNOWN)
  return `config.auth.${name} is not known: ${meant === undefined ? `${KNOWN.join(', ')} are` : `did you mean '${meant}'?`}`
}

/** What is wrong with the name of a scope, or undefined: it is not in the catalogue, if there is one. */
export function unknownScope (scope: string, catalogue: ScopeCatalogue | undefined): string | undefined {
  if (catalogue === undefined || Object.hasOwn(catalogue, scope)) return undefined
  const meant = nearMiss(scope, Object.keys(catalogue))
  return `the scope ${JSON.stringify(scope)} is not in the catalogue ` +
    `(${Object.keys(catalogue).join(', ')})${meant === undefined ? '' : `: did you mean '${meant}'?`}`
}

function printed (value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : inspect(value)
}

function wordsOf (scopes: readonly string[]): string[] {
  return [...new Set(scopes.flatMap((scope) => scope.split(' ')))]
}

function isWords (value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && one.split(' ').every((word) => SCOPE_TOKEN.test(word)))
}

function isNames (value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === 'string' && one !== '')
}

function isClientRoles (value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const clients = Reflect.ownKeys(value)
  return clients.length > 0 &&
    clients.every((client) => typeof client === 'string' && client !== '' && isNames((value as Record<string, unknown>)[client]))
}
