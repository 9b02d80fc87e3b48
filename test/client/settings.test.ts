import t from 'tap'
import { createClient, SettingsError } from '../../src/client/client.ts'
import type { ClientOptions } from '../../src/client/client.ts'

const GOOD: ClientOptions = {
  tokenEndpoint: 'https://issuer.example/token', clientId: 'id', clientSecret: 'secret', apiUrl: 'https://api.example'
}

function problemsOf (change: Record<string, unknown>): string[] {
  try {
    createClient({ ...GOOD, ...change })
    return []
  } catch (error) {
    if (error instanceof SettingsError) return error.problems.map(({ option }) => option)
    throw error
  }
}

t.test('addresses to which a secret or a token may be sent', (t) => {
  for (const option of ['tokenEndpoint', 'apiUrl']) {
    for (const address of [
      'https://x.example/p?q', 'http://localhost:1', 'http://127.0.0.1', 'http://127.9.9.9:80', 'http://127.1',
      'http://[::1]:8080/x', 'HTTP://LOCALHOST'
    ]) {
      t.same(problemsOf({ [option]: address }), [], address)
    }
    const bad = [
      'http://x.example', 'http://127.0.0.1.x.example', 'http://localhost.x.example', 'http://x.localhost', 'http://localhost.',
      'http://0.0.0.0',
      'http://[::ffff:10.0.0.1]', 'http://128.0.0.1', 'ftp://localhost', 'file:///x', 'localhost:8080', 'x.example', '',
      'https://u@x.example',
      'https://u:p@x.example', 'https://:p@x.example', 'https://x.example/#fragment'
    ]
    for (const address of bad) t.same(problemsOf({ [option]: address }), [option], address)
  }
  t.same(problemsOf({ tokenEndpoint: undefined, issuer: 'https://issuer.example/realms/x' }), [])
  t.same(problemsOf({ tokenEndpoint: undefined, issuer: 'http://issuer.example/realms/x' }), ['issuer'])
  t.end()
})

t.test('all problems are reported together', (t) => {
  t.same(
    problemsOf({
      issuer: 'x', clientId: '', clientSecret: '', clientAuthentication: 'jwt', scope: ['a b', ''], apiUrl: 'y', apiDeadlineMs: 0
    }),
    ['issuer', 'issuer', 'clientId', 'clientSecret', 'clientAuthentication', 'scope', 'apiUrl', 'apiDeadlineMs']
  )
  t.throws(
    () => createClient({ ...GOOD, clientId: '', clientSecret: '' }),
    { code: 'settings_invalid', message: /^clientId: .*; clientSecret: / }
  )
  t.end()
})

t.test('one by one', (t) => {
  t.same(problemsOf({ tokenEndpoint: undefined }), ['issuer'], 'neither issuer nor token endpoint')
  for (const scope of [['a"b'], ['a\\b'], ['é'], ['a\n'], [''], ['a b']]) t.same(problemsOf({ scope }), ['scope'], JSON.stringify(scope))
  for (const scope of [[], ['a'], ['a:b/c.d-e_f!~']]) t.same(problemsOf({ scope }), [], JSON.stringify(scope))
  for (const apiDeadlineMs of [-1, NaN, Infinity, 2 ** 31]) t.same(problemsOf({ apiDeadlineMs }), ['apiDeadlineMs'])
  t.end()
})

t.test('an unused client can be closed', async () => {
  await createClient(GOOD).close()
})
