import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { newKey, type Json } from '../support/issuer.ts'
import { startService } from '../support/service.ts'

const key = newKey()

t.test('EXPLAIN_REFUSALS=on: the response has the reason, its cause and the hint of the log; without it none of them', async (t) => {
  const explaining = await startService(t, { key, environment: { EXPLAIN_REFUSALS: 'on' } })
  const silent = await startService(t, { key })
  const cases: ReadonlyArray<readonly [path: string, claims: Json | undefined, expected: Json]> = [
    ['/api/private', { aud: 'account' }, { status: 401, reason: 'audience_mismatch', cause: 'aud "account"', hint: /Add mapper/ }],
    ['/api/private-scoped', {}, { status: 403, reason: 'scope_missing', hint: /Include in token scope/ }],
    ['/api/private', undefined, { status: 401, reason: 'credentials_missing', cause: undefined, hint: /./ }]
  ]
  for (const [path, claims, expected] of cases) {
    const tokenOf = ({ issuer }: typeof silent): string | undefined => claims && issuer.token(claims)
    const { body, text } = await explaining.get(path, tokenOf(explaining))
    t.match(body, expected)
    const line = explaining.lines.findLast(({ msg }) => msg === 'request')
    t.same({ reason: body.reason, hint: body.hint }, { reason: line?.reason, hint: line?.hint })
    t.notMatch(text, /eyJ/)
    const quiet = await silent.get(path, tokenOf(silent))
    t.same(['reason', 'cause', 'hint'].filter((name) => name in quiet.body), [])
  }
})

t.test('EXPLAIN_REFUSALS is refused in production, and a warning elsewhere', async (t) => {
  const settings = { ISSUER: 'https://sso.example.com/realms/myorg', AUDIENCE: 'a', EXPLAIN_REFUSALS: 'on' }
  for (const NODE_ENV of ['production', 'staging']) t.throws(() => loadConfig({ ...settings, NODE_ENV }), ConfigError)
  const file = { ISSUERS_FILE: 'x', EXPLAIN_REFUSALS: 'on', NODE_ENV: 'production' }
  const issuersFile = '[{"issuer":"https://sso.example.com/realms/myorg","audience":"a"}]'
  t.throws(() => loadConfig(file, { issuersFile }), /EXPLAIN_REFUSALS: not with NODE_ENV="production"/)
  for (const more of [{}, { NODE_ENV: 'test' }, { NODE_ENV: 'development' }]) {
    t.match(loadConfig({ ...settings, ...more }).warnings, [/EXPLAIN_REFUSALS=on: every refused caller reads/])
  }
})
