import t from 'tap'
import { parseRealm, startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { readJson } from './wire.ts'

t.test('a realm that cannot be used is refused in one sentence that names every broken member', (t) => {
  const refusals: readonly (readonly [unknown, string])[] = [
    [undefined, 'must be an object.'],
    [null, 'must be an object.'],
    ['{}', 'must be an object.'],
    [[], 'must be an object.'],
    [{}, 'realm must be there.'],
    [{ realm: null }, 'realm must be there.'],
    [{ realm: 7 }, 'realm must be text.'],
    [{ realm: '' }, 'realm must be text that is not empty.'],
    [{ realm: 'r', clients: {} }, 'clients must be a list.'],
    [{ realm: 'r', clients: [null] }, 'clients[0] must be an object.'],
    [{ realm: 'r', clients: [{ clientId: 'c' }, { secret: 's' }] }, 'clients[1].clientId must be there.'],
    [{ realm: 'r', clients: [{ clientId: 'c', attributes: { a: {} } }] }, 'clients[0].attributes.a must be text.'],
    [{ realm: 'r', clients: [{ clientId: 'c', enabled: 'yes' }] }, 'clients[0].enabled must be true or false.'],
    [{ realm: 'r', accessTokenLifespan: '300' }, 'accessTokenLifespan must be a whole number.'],
    [{ realm: 'r', roles: { client: { c: 'all' } } }, 'roles.client.c must be a list.'],
    [{ realm: 'r', roles: { client: [] } }, 'roles.client must be an object.'],
    [{ realm: 'r', users: [{ username: 1, realmRoles: [2] }] }, 'users[0].username must be text; users[0].realmRoles[0] must be text.']
  ]
  for (const [realm, sentence] of refusals) {
    t.throws(() => parseRealm(realm), { name: 'TypeError', message: `The realm object cannot be used: ${sentence}` }, sentence)
  }
  t.end()
})

t.test('what is not used is not looked at, null is as if it were not there', (t) => {
  t.strictSame(parseRealm({ realm: 'r', smtpServer: 7, clients: null, users: [{ username: 'u', totp: 'x', email: null }] }), {
    realm: 'r', users: [{ username: 'u' }]
  })
  t.end()
})

t.test('a copy: later changes of the object do nothing', (t) => {
  const object = { realm: 'r', clients: [{ clientId: 'c', attributes: { a: false, b: 1, c: 'c' } }] }
  const realm = parseRealm(object)
  object.clients.pop()
  t.strictSame(realm.clients, [{ clientId: 'c', attributes: { a: 'false', b: '1', c: 'c' } }])
  t.end()
})

t.test('the realm of the demo can be used', (t) => {
  const file = readJson('../../keycloak/myorg-realm.json') as { clients: unknown[] }
  t.equal(parseRealm(file).clients?.length, file.clients.length)
  t.end()
})

t.test('the issuer does not start on a broken realm', async (t) => {
  await t.rejects(startDevelopmentIssuer({ realm: { realm: 'r', clients: 'all' } as never }), {
    message: 'The realm object cannot be used: clients must be a list.'
  })
})
