import t from 'tap'
import { ConfigError, loadConfig } from '../../src/config.ts'
import { parseEnvFile, type EnvFile } from '../../src/config/env-file.ts'

const parse = (text: string): EnvFile => parseEnvFile(Buffer.from(text))
const valuesOf = (bytes: Uint8Array): Record<string, string> =>
  Object.fromEntries(parseEnvFile(bytes).entries.map(({ name, value }) => [name, value]))
const problemsOf = (bytes: Uint8Array): readonly string[] => {
  try {
    parseEnvFile(bytes)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
}
const utf16be = (text: string): Buffer => Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()

t.test('the dialect of Node', async (t) => {
  const text =
    '# comment\n\nA=1\r\n export B = two words # comment\nC="x # y"\nD=\'a"b\'\nE=`c`\nF=\nG="line 1\nline 2"\nH="a\\nb" # comment\nJ.K=1\n'
  t.same(valuesOf(Buffer.from(text)), {
    A: '1', B: 'two words', C: 'x # y', D: 'a"b', E: 'c', F: '', G: 'line 1\nline 2', H: 'a\nb', 'J.K': '1'
  })
  t.same(parse(text).warnings, [])
  t.same(parse(text).entries.map(({ line }) => line), [3, 4, 5, 6, 7, 8, 9, 11, 12])
  t.same(
    valuesOf(Buffer.from('KEY="-----BEGIN KEY-----\nabc=\ndGVzdA==\n-----END KEY-----"\nB=1')),
    { KEY: '-----BEGIN KEY-----\nabc=\ndGVzdA==\n-----END KEY-----', B: '1' }
  )
})

t.test('encodings: a byte order mark is skipped, UTF-16 is read, anything else is refused', async (t) => {
  const text = 'ISSUER=https://sso.example.com/realms/m\u00fcller\r\nAUDIENCE=test_api\r\n'
  const expected = { ISSUER: 'https://sso.example.com/realms/m\u00fcller', AUDIENCE: 'test_api' }
  for (const [name, bytes] of Object.entries({
    'UTF-8': Buffer.from(text), 'UTF-8 with a mark': Buffer.from(`\uFEFF${text}`),
    'UTF-16 LE with a mark': Buffer.from(`\uFEFF${text}`, 'utf16le'), 'UTF-16 BE with a mark': utf16be(text)
  })) t.same(valuesOf(bytes), expected, name)
  for (const [name, bytes] of Object.entries({
    'UTF-16 without a mark': Buffer.from(text, 'utf16le'), 'Latin-1': Buffer.from(text, 'latin1')
  })) {
    t.match(problemsOf(bytes), [/^\.env: is not text in UTF-8; save it as UTF-8/], name)
  }
})

t.test('a line that is not a setting is an error with its number, and without what stands there', async (t) => {
  for (const line of [
    'ISSUER: https://hunter2', 'ISSUER https://hunter2', 'hunter2', '$env:ISSUER="hunter2"', 'set ISSUER=hunter2',
    '-e ISSUER=hunter2', '=hunter2', 'MY ISSUER=hunter2', 'ISSUER:https://hunter2/?a=b', '\u200bISSUER=hunter2', '1X=hunter2',
    '{"ISSUER": "hunter2"}'
  ]) {
    const problems = problemsOf(Buffer.from(`A=1\n\n${line}\nB=2\n`))
    t.match(problems, [/^\.env, line 3: is not a setting; write NAME=value/], line)
    t.notMatch(problems.join(), /hunter2/)
  }
  t.match(problemsOf(Buffer.from('ISSUER: x')), [/with = and not with : as in YAML/])
  t.match(problemsOf(Buffer.from('a\nb\n')), [/line 1/, /line 2/], 'all of them')
})

t.test('quotes that do not end where the value ends', async (t) => {
  t.match(
    problemsOf(Buffer.from('A="x\nISSUER=https://y\nB="z"\n')),
    [/^\.env, line 1: the value of A begins with a quote that is not closed/],
    'the next setting is not swallowed'
  )
  t.match(problemsOf(Buffer.from('A=\'x')), [/line 1: the value of A begins with a quote/])
  t.match(problemsOf(Buffer.from('A="x"y"')), [/^\.env, line 1: text after the closing quote of A/])
})

t.test('an unquoted # that cuts a value is a warning', async (t) => {
  const { entries, warnings } = parse('CLIENT_SECRET=abc#hunter2\nA=#hunter2\nB=x # a comment\nC= # a comment\nD="x#y"\n')
  t.match(warnings, [/^\.env, line 1: CLIENT_SECRET ends before an unquoted #/, /^\.env, line 2: A ends before/])
  t.equal(warnings.length, 2)
  t.notMatch(warnings.join(), /hunter2|abc/)
  t.equal(entries[0]?.value, 'abc', 'as Node reads it')
})

t.test('a name that is set twice with different values is a warning', async (t) => {
  t.match(parse('A=1\nB=2\nA=3\n').warnings, [/^\.env: A is set in the lines 1 and 3; the last one holds/])
  t.same(parse('A=1\nA=1\n').warnings, [])
})

t.test('names in .env that mean nothing here: one line; those of the client and of other programs are known', async (t) => {
  const given = { ISSUER: 'https://sso.example.com/realms/x', AUDIENCE: 'a' }
  const warningsFor = (...fileNames: string[]): readonly string[] => loadConfig(given, { fileNames }).warnings
  t.match(
    warningsFor('ISSUER', 'FOO', 'LOGLEVEL', 'issuer', 'KEYCLOAK_URL'),
    [/^\.env: not settings of this service: FOO, LOGLEVEL \(did you mean LOG_LEVEL\?\), issuer \(did you mean ISSUER\?\), KEYCLOAK_URL$/]
  )
  t.equal(warningsFor('FOO', 'BAR').length, 1)
  t.same(
    warningsFor(
      'CLIENT_SECRET', 'TOKEN_ENDPOINT', 'API_URL', 'npm_config_registry', 'COMPOSE_PROJECT_NAME', 'KC_HOSTNAME',
      'OTEL_SERVICE_NAME', 'REALM_NAME', 'NODE_ENV'
    ),
    []
  )
})

t.test('what Node reads before it reads any file does nothing in .env', async (t) => {
  const given = { ISSUER: 'https://sso.example.com/realms/x', AUDIENCE: 'a' }
  t.match(loadConfig(given, { fileNames: ['NODE_EXTRA_CA_CERTS'] }).warnings, [/^\.env: NODE_EXTRA_CA_CERTS does nothing there/])
  t.match(
    loadConfig(given, { fileNames: ['NODE_OPTIONS', 'HTTPS_PROXY'] }).warnings,
    [/^\.env: NODE_OPTIONS, HTTPS_PROXY do nothing there/]
  )
})
