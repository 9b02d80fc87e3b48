import t from 'tap'
import { readBearerChallenge } from '../../src/client/challenge.ts'

t.test('what a WWW-Authenticate value says', (t) => {
  const cases: [string | null, object | undefined][] = [
    [null, undefined],
    ['', undefined],
    ['Basic realm="x"', undefined],
    ['Negotiate YWJj==', undefined],
    ['realm="Bearer error"', undefined],
    ['Basic realm="Bearer error=\\"invalid_token\\""', undefined],
    ['Bearer', { error: undefined, errorDescription: undefined, scope: undefined }],
    ['Bearer realm="x"', { error: undefined }],
    ['Bearer error=invalid_token', { error: 'invalid_token' }],
    ['bearer Error = "invalid_token"', { error: 'invalid_token' }],
    [
      'BEARER realm="a, b",error="insufficient_scope" , scope="one two", error_description="say \\"please\\""',
      { error: 'insufficient_scope', scope: 'one two', errorDescription: 'say "please"' }
    ],
    ['DPoP algs="ES256", error="use_dpop_nonce", Bearer realm="x", error="invalid_token"', { error: 'invalid_token' }],
    ['Bearer realm="x", DPoP error="invalid_token"', { error: undefined }],
    ['Bearer error="first", error="second"', { error: 'first' }],
    ['Bearer error="never ends', { error: undefined }]
  ]
  for (const [header, expected] of cases) {
    const found = readBearerChallenge(header)
    if (expected === undefined) t.equal(found, undefined, String(header))
    else t.match(found, expected, String(header))
  }
  t.end()
})

t.test('a hostile value is read in no time', (t) => {
  for (const part of ['a', 'a=', '"', '\\', ' ', ',', 'Bearer a="\\', '= ', 'a \t']) {
    t.doesNotThrow(() => readBearerChallenge(part.repeat(16_000 / part.length)))
  }
  t.end()
})
