import t from 'tap'
import { compileAccess, PREFLIGHT, PUBLIC } from '../../src/oauth/access-declaration.ts'
import { enforceAccess, type Access, type Demands } from '../../src/oauth/access-policy.ts'
import { InsufficientScope, InvalidToken } from '../../src/oauth/errors.ts'
import { principalOf, type Claims } from '../../src/oauth/principal.ts'
import { thawed } from '../support/frozen.ts'

const base: Claims = { iss: 'i', exp: 1 }

function accessOf (declared: unknown): Access {
  const compiled = compileAccess(declared)
  if (!('mode' in compiled)) throw new Error(compiled.join('; '))
  return compiled
}

/** What the caller with these claims lacks: reason and sentence, or undefined. */
function lacks (demands: Demands, claims: Partial<Claims>): { reason: string, message: string, scopes: readonly string[] } | undefined {
  try {
    enforceAccess(accessOf(demands), principalOf({ ...base, ...claims }))
    return undefined
  } catch (error) {
    if (!(error instanceof InsufficientScope)) throw error
    const { reason, message, scopes } = error
    return { reason, message, scopes }
  }
}

t.test('scopes: all of them; the refusal names those that are missing, the challenge all', (t) => {
  const demands = { scopes: ['one', 'two three'] }
  t.equal(lacks(demands, { scope: 'three one other two' }), undefined)
  t.same(lacks(demands, { scope: 'two' }), {
    reason: 'scope_missing', message: 'The access token lacks the scope one three', scopes: ['one', 'two', 'three']
  })
  t.match(lacks(demands, {}), { message: /lacks the scope one two three$/ })
  t.match(lacks(demands, { scope: 'one two threefold' }), { message: /lacks the scope three$/ })
  t.equal(lacks({ scopes: [] }, {}), undefined)
  t.end()
})

t.test('anyScope: one of them, beside all of scopes', (t) => {
  t.equal(lacks({ anyScope: ['a', 'b'] }, { scope: 'b' }), undefined)
  t.equal(lacks({ anyScope: ['a', 'b'] }, { scope: 'a b' }), undefined)
  t.same(
    lacks({ anyScope: ['a', 'b'] }, { scope: 'c' }),
    { reason: 'scope_missing', message: 'The access token lacks one of the scopes a b', scopes: ['a', 'b'] }
  )
  t.match(lacks({ anyScope: ['a'] }, { scope: 'c' }), { reason: 'scope_missing', message: /lacks one of the scopes a$/ })
  t.match(lacks({ scopes: ['c'], anyScope: ['a', 'c'] }, { scope: 'a' }), { message: /lacks the scope c$/, scopes: ['c', 'a'] })
  t.equal(lacks({ scopes: ['c'], anyScope: ['a', 'c'] }, { scope: 'c' }), undefined)
  t.end()
})

t.test('roles: all of the realm, and all of each client', (t) => {
  const realm = (...roles: string[]): Partial<Claims> => ({ realm_access: { roles } })
  t.equal(lacks({ realmRoles: ['x', 'y'] }, realm('y', 'x')), undefined)
  t.match(lacks({ realmRoles: ['x', 'y'] }, realm('x')), { reason: 'role_missing', message: /lacks the realm role y$/ })
  t.match(lacks({ realmRoles: ['x'] }, {}), { reason: 'role_missing' })
  const clients = (access: Claims['resource_access']): Partial<Claims> => access === undefined ? {} : { resource_access: access }
  const demands = { clientRoles: { api: ['r', 'w'], other: ['o'] } }
  t.equal(lacks(demands, clients({ api: { roles: ['r', 'w'] }, other: { roles: ['o'] } })), undefined)
  t.match(lacks(demands, clients({ api: { roles: ['r', 'w'] }, other: {} })), { message: /lacks the role o of client other$/ })
  t.match(lacks(demands, clients({ api: { roles: ['r'] }, other: { roles: ['o', 'w'] } })), { message: /lacks the role w of client api$/ })
  t.match(lacks(demands, clients(undefined)), { message: /lacks the role r of client api$/ })
  t.match(lacks({ clientRoles: { constructor: ['name'] } }, {}), { reason: 'role_missing' })
  t.end()
})

t.test('kind and client', (t) => {
  const service = { azp: 'c', jti: 'trrtcc:1' }
  const user = { azp: 'c', jti: 'onrtro:1' }
  const unknown = { azp: 'c' }
  const reasonsOf = (demands: Demands): ReadonlyArray<string | undefined> =>
    [service, user, unknown].map((claims) => lacks(demands, claims)?.reason)
  t.same(reasonsOf({ kind: 'service' }), [undefined, 'kind_not_allowed', 'kind_unknown'])
  t.same(reasonsOf({ kind: 'user' }), ['kind_not_allowed', undefined, undefined])
  t.same(reasonsOf({ scopes: [] }), [undefined, undefined, undefined])
  t.equal(lacks({ clientId: true }, service), undefined)
  t.match(
    lacks({ clientId: true }, { azp: 'a', client_id: 'b' }),
    { reason: 'client_unknown', message: 'The access token does not name one client' }
  )
  t.equal(lacks({ kind: 'user' }, service)?.message, 'Only a user\'s access token may do this')
  t.equal(lacks({ kind: 'service' }, user)?.message, 'Only a service\'s own access token may do this')
  t.equal(lacks({ scopes: [] }, { azp: 'a', client_id: 'b' }), undefined, 'a route that does not require a client')
  t.end()
})

t.test('bound: an error of the token, before any scope is compared', (t) => {
  const refusal = (demands: Demands, claims: Partial<Claims>): unknown => {
    try {
      enforceAccess(accessOf(demands), principalOf({ ...base, ...claims }))
      return undefined
    } catch (error) {
      return error
    }
  }
  for (const cnf of [{ jkt: 'a' }, { 'x5t#S256': 'b' }]) t.equal(refusal({ bound: true }, { cnf }), undefined)
  const unbound = refusal({ bound: true, scopes: ['one'] }, {})
  t.ok(unbound instanceof InvalidToken)
  t.match(unbound, { reason: 'binding_required', detail: 'the route declares bound' })
  t.match(refusal({ bound: true, scopes: ['one'] }, { cnf: { jkt: 'a' } }), { reason: 'scope_missing' })
  t.equal(refusal({ scopes: [] }, {}), undefined, 'a route that does not require it')
  t.end()
})

t.test('what a route requires is frozen to the last array, and independent of the declaration', (t) => {
  const declared = { scopes: ['one'], anyScope: ['two'], realmRoles: ['x'], clientRoles: { api: ['r'] }, kind: 'service', clientId: true }
  const access = accessOf(declared)
  const all = { PUBLIC, PREFLIGHT, optional: accessOf({ optional: true }), access, least: accessOf({ scopes: [] }) }
  for (const [name, one] of Object.entries(all)) t.same(thawed(one, name), [], name)
  declared.scopes.push('more')
  declared.anyScope.length = 0
  declared.realmRoles.length = 0
  declared.clientRoles.api.length = 0
  t.match(access, {
    mode: 'protected', scopes: ['one'], anyScope: ['two'], realmRoles: ['x'], clientRoles: { api: ['r'] }, challengeScopes: ['one', 'two']
  })
  for (const open of [PUBLIC, PREFLIGHT, accessOf({ optional: true })]) {
    t.match(open, { clientId: false, kind: undefined, scopes: [] }, open.mode)
  }
  t.same(
    [PUBLIC.mode, PREFLIGHT.mode, accessOf('public').mode, accessOf({ optional: true }).mode],
    ['public', 'preflight', 'public', 'optional']
  )
  t.equal(accessOf({ scopes: [] }).clientId, false)
  t.end()
})

t.test('a declaration with a wrong member names each', (t) => {
  const problems = (declared: unknown): unknown => compileAccess(declared)
  t.same(
    problems({ optional: false }),
    ['config.auth.optional stands alone, as { optional: true }: a route that is open to anyone cannot require anything']
  )
  t.match(problems({ optional: true, scopes: [] }), [/stands alone/])
  t.match(problems({ anyScope: [] }), [/anyScope is not an array of one or more scope names/])
  t.match(problems({ anyScope: ['a b'] }), [/one name in each string/])
  t.match(
    problems({ realmRoles: [], clientRoles: {}, kind: 'robot', clientId: false }),
    [/realmRoles/, /clientRoles/, /kind/, /clientId is not true/]
  )
  t.match(problems({ clientRoles: { api: [] } }), [/clientRoles/])
  t.match(problems({ clientRoles: { api: ['r'], other: [''] } }), [/clientRoles/])
  t.match(problems({ clientRoles: ['r'] }), [/clientRoles/])
  t.match(problems({}), [/config\.auth is \{\}/])
  t.match(problems(Object.create({ scopes: [] })), [/config\.auth\.scopes is inherited/])
  t.end()
})
