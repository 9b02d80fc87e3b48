import t from 'tap'
import type { Environment } from '../../src/config.ts'
import { problemsOf } from '../support/config-problems.ts'

const GIVEN = { ISSUER: 'https://sso.example.com/realms/x', AUDIENCE: 'a' }

t.test('two listeners of the process cannot have one port, however it is written', async (t) => {
  const cases: ReadonlyArray<readonly [Environment, readonly string[]]> = [
    [{ ...GIVEN, MANAGEMENT_PORT: '50100' }, ['MANAGEMENT_PORT: expected another port than PORT (50100)']],
    [{ ...GIVEN, PORT: '20001', MANAGEMENT_PORT: '020001' }, ['MANAGEMENT_PORT: expected another port than PORT (20001)']],
    [{ ...GIVEN, PORT: '0020001', MANAGEMENT_PORT: ' 20001\n' }, ['MANAGEMENT_PORT: expected another port than PORT (20001)']],
    [{ DEVELOPMENT_ISSUER_PORT: '050100' }, ['DEVELOPMENT_ISSUER_PORT: expected another port than PORT (50100)']],
    [{ PORT: '8080' }, ['DEVELOPMENT_ISSUER_PORT: expected another port than PORT (8080)']],
    [{ MANAGEMENT_PORT: '8080' }, ['DEVELOPMENT_ISSUER_PORT: expected another port than MANAGEMENT_PORT (8080)']],
    [{ PORT: '20001', MANAGEMENT_PORT: '20001', DEVELOPMENT_ISSUER_PORT: '20001' }, [
      'MANAGEMENT_PORT: expected another port than PORT (20001)',
      'DEVELOPMENT_ISSUER_PORT: expected another port than PORT (20001)',
      'DEVELOPMENT_ISSUER_PORT: expected another port than MANAGEMENT_PORT (20001)'
    ]]
  ]
  for (const [environment, problems] of cases) t.same(problemsOf(environment), problems, JSON.stringify(environment))
})

t.test('ports that do not collide are accepted: any free one, another address, a development issuer that does not start', async (t) => {
  for (const environment of [
    { ...GIVEN, PORT: '0', MANAGEMENT_PORT: '0' }, { PORT: '0', MANAGEMENT_PORT: '00', DEVELOPMENT_ISSUER_PORT: '000' },
    { ...GIVEN, PORT: '8080' }, { ...GIVEN, MANAGEMENT_PORT: '8080' }, { ...GIVEN, DEVELOPMENT_ISSUER_PORT: '50100' },
    { ...GIVEN, HOST: '10.0.0.1', MANAGEMENT_HOST: '127.0.0.1', MANAGEMENT_PORT: '50100' },
    { ...GIVEN, HOST: '0.0.0.0', MANAGEMENT_HOST: '::1', MANAGEMENT_PORT: '50100' }
  ]) t.same(problemsOf(environment), [], JSON.stringify(environment))
  t.same(problemsOf({ NODE_ENV: 'production', PORT: '8080' }).map((problem) => problem.split(':')[0]), ['ISSUER', 'AUDIENCE'])
  t.same(problemsOf({ ...GIVEN, PORT: 'x', MANAGEMENT_PORT: 'x' }).map((problem) => problem.split(' got ')[0]), [
    'PORT: expected a whole number from 0 to 65535,', 'MANAGEMENT_PORT: expected a whole number from 0 to 65535,'
  ])
  for (const [HOST, MANAGEMENT_HOST] of [['0.0.0.0', '127.0.0.1'], ['127.0.0.1', '::'], ['localhost', '127.0.0.1'], ['::1', '::1']]) {
    t.match(problemsOf({ ...GIVEN, HOST, MANAGEMENT_HOST, MANAGEMENT_PORT: '50100' }), [/^MANAGEMENT_PORT: expected/], `${HOST} ${MANAGEMENT_HOST}`)
  }
})
