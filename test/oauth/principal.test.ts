import { readFileSync } from 'node:fs'
import t from 'tap'
import { principalOf, type Claims } from '../../src/oauth/principal.ts'

interface Recorded { readonly case: string, readonly response: { readonly body?: { readonly access_token?: { readonly payload: Claims } } } }

const recorded = new Map((JSON.parse(readFileSync('test/recordings/access-tokens.json', 'utf8')) as Recorded[]).map((one) => [one.case, one.response.body?.access_token?.payload]))
const of = (name: string): ReturnType<typeof principalOf> => principalOf(structuredClone(recorded.get(name)) as Claims)

t.test('tokens of a real Keycloak: a service is told from a user', async (t) => {
  for (const name of ['service, no scope asked', 'service with a refresh token', 'service refreshes', 'lightweight token', 'at+jwt', 'no built-in scope at the client: what is left']) {
    t.equal(of(name).kind, 'service', name)
  }
  for (const name of ['user, direct grant', 'user, refreshed', 'token exchange by test_api of a user\'s token']) t.equal(of(name).kind, 'user', name)
})

t.test('without the mark of the grant in jti', async (t) => {
  const base = { iss: 'i', exp: 1 }
  const kinds: ReadonlyArray<readonly [Claims, string]> = [
    [{ ...base, azp: 'c', client_id: 'c' }, 'service'],
    [{ ...base, azp: 'c', client_id: 'c', sid: 's' }, 'user'],
    [{ ...base, azp: 'c', client_id: 'other' }, 'user'],
    [{ ...base, azp: 'c' }, 'user'],
    [{ ...base, client_id: 'c', jti: 'x' }, 'user'],
    [{ ...base, client_id: 'c', sid: 's' }, 'user'],
    [{ ...base, client_id: 'c', auth_time: 1 }, 'user'],
    [{ ...base, azp: 'c', client_id: 'c', sid: 's', jti: 'onrtrt:x' }, 'user'],
    [{ ...base, azp: 'C', client_id: 'C', sid: 's', jti: 'onrtrt:x', preferred_username: 'service-account-c' }, 'service'],
    [{ ...base, client_id: 'c', jti: 'onrtrt:x', preferred_username: 'service-account-' }, 'user'],
    [{ ...base, azp: 'c', client_id: 'c', jti: 'onrtac:x' }, 'user']
  ]
  for (const [claims, kind] of kinds) t.equal(principalOf({ ...claims }).kind, kind, JSON.stringify(claims))
})

t.test('who it is, and what it may', async (t) => {
  const roles = of('service account with a realm role and a client role')
  t.match(roles, { clientId: 'test_roles_client', realmRoles: ['auditor'], issuer: 'http://localhost:8080/realms/myorg', expiresAt: 1795523492 })
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
