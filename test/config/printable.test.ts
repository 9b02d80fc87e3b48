import t from 'tap'
import { ConfigError, ENVIRONMENT, loadConfig, type Environment, type EnvironmentSources } from '../../src/config.ts'
import { quote } from '../../src/options/quote.ts'
import { readOptions } from '../../src/options/options.ts'
import { serve } from '../support/server-process.ts'

/** A control sequence in one character, a change of direction, a separator of lines, a character without a shape, half of one. */
const STEERING = '\u009b31m\u202e\u2028\u{e0001}\ud800\u007f\u001b[2J'
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u
const GIVEN = { ISSUER: 'https://sso.example.com/realms/x', AUDIENCE: 'a' }

/** Its errors, or its warnings where it starts. */
function sentencesOf (environment: Environment, sources: Partial<EnvironmentSources> = {}): readonly string[] {
  try {
    return loadConfig(environment, sources).warnings
  } catch (error) {
    if (error instanceof ConfigError) return [...error.problems, ...error.message.split('\n')]
    throw error
  }
}

t.test('no sentence about a setting has a character that a terminal might obey', async (t) => {
  const environments = [{}, GIVEN, { NODE_ENV: 'production' }, { NODE_ENV: 'production', ISSUERS_FILE: 'x' }]
  const sentences = Object.keys(ENVIRONMENT).flatMap((name) =>
    [STEERING, `a${STEERING}z`, `https://${STEERING}.example.com`, `https://sso.example.com/${STEERING}`].flatMap((value) =>
      environments.flatMap((others) => sentencesOf({ ...others, [name]: value }, {
        issuersFile: '[]', files: name.endsWith('_FILE') ? { [name]: { error: 'ENOENT' } } : {}, fileNames: [name]
      }))))
  t.same(sentences.filter((sentence) => UNPRINTABLE.test(sentence)), [])
  t.ok(sentences.filter((sentence) => sentence.includes('\\u009b31m\\u202e')).length > 100, 'the value is in them, escaped')
  t.match(sentencesOf({ 'ISSUER_\u009b\u202e': 'x' }), [/^ISSUER_\\u009b\\u202e \(in the environment\)/])
  t.match(sentencesOf({ ISSUERS_FILE: 'x' }, { issuersFile: '\u009b31m' }), [/^ISSUERS_FILE: expected a JSON array of issuers \(.*\\u009b/])
})

t.test('a value in a sentence: letters of any language as they are, all else escaped and cut', async (t) => {
  t.equal(quote('Zürich 東京'), '"Zürich 東京"')
  t.equal(quote('a"\u009b\u202e'), '"a\\"\\u009b\\u202e"')
  t.equal(quote('x'.repeat(61)), `"${'x'.repeat(60)}…"`)
  t.throws(() => readOptions({ issuer: GIVEN.ISSUER, audience: `a${STEERING}` }), { message: /\\u009b31m\\u202e/ })
})

t.test('nor has what a process writes that cannot start', async (t) => {
  const servers = [
    serve(t, { LOG_LEVEL: '\u009b31m\u202e' }), serve(t, { ...GIVEN, ISSUERS_FILE: '/\u009b31m\u202e' }),
    serve(t, { HOST: '\u009b31m\u202e' })
  ]
  for (const server of servers) {
    t.equal(await server.code, 1)
    t.match(server.err(), /^Scopegate cannot start: [^]*\\u009b31m\\u202e/)
    t.notMatch(server.err().replaceAll('\n', ''), UNPRINTABLE)
  }
})
