import { readFileSync } from 'node:fs'
import t from 'tap'
import { principalOf, type Claims } from '../../src/oauth/principal.ts'
import { thawed } from '../support/frozen.ts'

interface Recorded {
  readonly case: string
  readonly response: { readonly body?: { readonly access_token?: { readonly payload: Claims } } }
}

const recorded = new Map((JSON.parse(readFileSync('test/recordings/access-tokens.json', 'utf8')) as Recorded[]).map((one) => [
  one.case, one.response.body?.access_token?.payload
]))
const of = (name: string): ReturnType<typeof principalOf> => principalOf(structuredClone(recorded.get(name)) as Claims)

t.test('tokens of a real Keycloak: the grant in jti distinguishes a service from a user; a refresh proves neither', async (t) => {
  for (const name of [
    'service, no scope asked', 'service with a refresh token', 'lightweight token', 'at+jwt',
    'no built-in scope at the client: what is left'
  ]) {
    t.equal(of(name).kind, 'service', name)
  }
  for (const name of ['user, direct grant', 'token exchange by test_api of a user\'s token']) t.equal(of(name).kind, 'user', name)
  for (const name of ['service refreshes', 'user, refreshed']) t.equal(of(name).kind, 'unknown', name)
})

const base = { iss: 'i', exp: 1 }

t.test('what does not prove a service', async (t) => {
  const kinds: ReadonlyArray<readonly [Claims, string]> = [
    [{ ...base, azp: 'c', client_id: 'c' }, 'unknown'],
    [{ ...base, azp: 'c', client_id: 'c', sid: 's' }, 'unknown'],
    [{ ...base, azp: 'c', client_id: 'c', preferred_username: 'service-account-c' }, 'unknown'],
    [{ ...base, azp: 'c', client_id: 'c', jti: '5db459ca-3623-217e-0ff0-50243cc1771a' }, 'unknown'],
    [{ ...base, azp: 'c', client_id: 'c', jti: 'trrtccx:1' }, 'unknown'],
    [{ ...base, azp: 'c', client_id: 'c', jti: 'x trrtcc:1' }, 'unknown'],
    [{ ...base, azp: 'C', client_id: 'C', sid: 's', jti: 'onrtrt:x', preferred_username: 'service-account-c' }, 'unknown'],
    [{ ...base, azp: 'c', client_id: 'c', preferred_username: 'service-account-c', jti: 'onrtro:x' }, 'user'],
    [{ ...base, azp: 'c', client_id: 'c', jti: 'onrtac:x' }, 'user'],
    [{ ...base, azp: 'c', jti: 'trrtte:x' }, 'user'],
    [{ ...base, azp: 'c', sid: 's', jti: 'onrtcc:x' }, 'service']
  ]
  for (const [claims, kind] of kinds) t.equal(principalOf({ ...claims }).kind, kind, JSON.stringify(claims))
})

t.test('SERVICE_CLAIM proves a service, compared exactly; for RFC 9068 tokens it is the only proof', async (t) => {
  const keycloak = { tokenKind: 'keycloak', serviceClaim: { name: 'client_type', value: 'service' } } as const
  const rfc9068 = { ...keycloak, tokenKind: 'at+jwt' } as const
  for (const issuer of [keycloak, rfc9068]) {
    t.equal(principalOf({ ...base, client_type: 'service' }, issuer).kind, 'service')
    for (const value of ['Service', 'service ', ['service'], { service: true }, true, null, undefined]) {
      t.equal(principalOf({ ...base, client_type: value }, issuer).kind, 'unknown', JSON.stringify(value))
    }
  }
  t.equal(principalOf({ ...base, jti: 'trrtcc:1' }, rfc9068).kind, 'unknown')
  t.equal(principalOf({ ...base, jti: 'onrtro:1' }, rfc9068).kind, 'unknown')
  t.equal(principalOf({ ...base, jti: 'onrtrt:1', client_type: 'service' }, keycloak).kind, 'service')
  t.equal(principalOf({ ...base }, { tokenKind: 'at+jwt', serviceClaim: { name: 'constructor', value: 'x' } }).kind, 'unknown')
})

t.test('the client: azp or client_id, none when they differ; in RFC 9068 tokens client_id', async (t) => {
  const rfc9068 = { tokenKind: 'at+jwt', serviceClaim: undefined } as const
  t.equal(principalOf({ ...base, azp: 'a' }).clientId, 'a')
  t.equal(principalOf({ ...base, azp: 'a', client_id: 'a' }).clientId, 'a')
  t.equal(principalOf({ ...base, azp: 'a', client_id: 'b' }).clientId, undefined)
  t.equal(principalOf({ ...base, azp: 'a', client_id: 'A' }).clientId, undefined)
  t.equal(principalOf({ ...base, azp: 'a', client_id: 'b' }, rfc9068).clientId, 'b')
  t.equal(principalOf({ ...base, azp: 'a' }, rfc9068).clientId, undefined)
})

t.test('who it is, and what it may', async (t) => {
  const roles = of('service account with a realm role and a client role')
  t.match(roles, {
    clientId: 'test_roles_client', realmRoles: ['auditor'], issuer: 'http://localhost:8080/realms/myorg', expiresAt: 1795523492
  })
  t.same({ ...roles.clientRoles }, { test_api: ['writer'] })
  t.ok(roles.has('test_api_access'))
  t.notOk(roles.has('test_api'))
  t.same(of('no built-in scope at the client: what is left').scopes, [])
  t.equal(principalOf({ iss: 'i', exp: 1, client_id: 'x' }).clientId, 'x')
  t.equal(principalOf({ iss: 'i', exp: 1 }).clientId, undefined)
  const many = principalOf({ iss: 'i', exp: 1, scope: 'a b c d e f g h i' })
  t.ok(many.has('i') && !many.has('j'))
  t.same({ ...principalOf({ iss: 'i', exp: 1, resource_access: { a: {} } }).clientRoles }, { a: [] })
})

t.test('nothing of it can be changed by a handler', async (t) => {
  const principal = of('service account with a realm role and a client role')
  t.throws(() => { (principal as { clientId: string }).clientId = 'x' }, TypeError)
  t.throws(() => { (principal.scopes as string[]).push('admin') }, TypeError)
  t.throws(() => { (principal.realmRoles as string[]).push('admin') }, TypeError)
  t.throws(() => { (principal.clientRoles as Record<string, string[]>).test_api = ['admin'] }, TypeError)
  t.throws(() => { (principal.clientRoles.test_api as string[]).push('admin') }, TypeError)
  t.throws(() => { (principal.claims as Record<string, unknown>).scope = 'admin' }, TypeError)
  t.throws(() => { (principal.claims.realm_access as { roles: string[] }).roles = ['admin'] }, TypeError)
})

t.test('the members of a principal, frozen to the last array', (t) => {
  const claims: Claims = {
    ...base, sub: 's', azp: 'a', scope: 'one two', realm_access: { roles: ['x'] }, resource_access: { api: { roles: ['r'] }, none: {} },
    more: [{ deep: [] }, null, 'text']
  }
  const principal = principalOf(claims)
  t.match(principal, { subject: 's', clientId: 'a', issuer: 'i', expiresAt: 1, scopes: ['one', 'two'], realmRoles: ['x'], claims })
  t.same({ ...principal.clientRoles }, { api: ['r'], none: [] })
  t.same([principal.has('one'), principal.has('on'), principal.has('')], [true, false, false])
  t.equal(principal.confirmation, undefined)
  const bound = principalOf({ ...base, cnf: { jkt: 'a', 'x5t#S256': 'b' } })
  t.same(bound.confirmation, { jkt: 'a', certificate: 'b' })
  t.same([{ jkt: 'a' }, { 'x5t#S256': 'b' }].map((cnf) => principalOf({ ...base, cnf }).confirmation), [{ jkt: 'a' }, { certificate: 'b' }])
  const empty = principalOf({ ...base, scope: '' })
  t.match(empty, { subject: undefined, scopes: [], realmRoles: [] })
  t.equal(empty.has(''), false)
  for (const [name, one] of Object.entries({ principal, bound, empty })) {
    t.same([...thawed(one, name), ...thawed(one.claims, `${name}.claims`)], [])
  }
  t.equal(principal.claims, principal.claims, 'one object')
  t.equal(Object.getPrototypeOf(empty.clientRoles), null)
  t.end()
})
