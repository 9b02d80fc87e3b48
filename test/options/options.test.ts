import t from 'tap'
import { loadConfig } from '../../src/config.ts'
import { OptionsError, readOptions, type ScopegateOptions } from '../../src/options/options.ts'

const ISSUER = 'https://sso.example.com/realms/myorg'
const GOOD = { issuer: ISSUER, audience: 'api' } as const
const REQUIRED_AUDIENCE =
  'audience: required: the name by which tokens name this API in aud (for Keycloak the client that an audience mapper names); ' +
  '\'*\' accepts any or none'

function problemsOf (options: object): readonly string[] {
  try {
    readOptions(options as ScopegateOptions)
    return []
  } catch (error) {
    return error instanceof OptionsError ? error.problems : [String(error)]
  }
}

/** The options beside a good issuer and audience, and all sentences that they give. */
const WRONG: ReadonlyArray<readonly [options: Readonly<Record<string, unknown>>, ...problems: readonly string[]]> = [
  [{ issuer: undefined }, 'issuer: expected a string, and it is required'],
  [{ issuer: 5 }, 'issuer: expected a string'],
  [{ audience: undefined }, REQUIRED_AUDIENCE],
  [{ audience: [] }, 'audience: expected at least one name'],
  [{ audience: ['a', 5] }, 'audience: expected a name, or an array of names'],
  [{ audience: ['*', 'a'] }, 'audience: * stands alone or not at all'],
  [{ audience: 'a b' }, 'audience: expected names without spaces, got "a b"; several names are separated by commas'],
  [{ audience: 'a;b' }, 'audience: expected names separated by commas, got "a;b"'],
  [{ audience: '' }, 'audience: expected a name, got an empty text'],
  [{ audience: ['a', ''] }, 'audience: expected a name, got an empty text'],
  [{ audience: 'a,b' }, 'audience: expected one name, or an array of names, got "a,b"'],
  [{ keys: { keys: [] } }, 'keys: expected a JWK Set with at least one key'],
  [{ jwksUrl: 5 }, 'jwksUrl: expected a string'],
  [
    { jwksUrl: 'https://sso.example.com/' },
    'jwksUrl: expected the path of the key set too, such as …/protocol/openid-connect/certs, got "https://sso.example.com/"'
  ],
  [{ jwksUrl: `${ISSUER}/protocol/openid-connect/certs`, keys: { keys: [] } }, 'keys: expected either keys or jwksUrl'],
  ...[5, null, {}, { keys: 5 }, []].map((keys) => [
    { keys }, 'keys: expected a JWK Set, { keys: [...] }, or a function that returns one'
  ] as const),
  ...['RS256', [], ['HS256'], ['RS256', 5]].map((algorithms) =>
    [
      { algorithms },
      'algorithms: expected an array of one or more of RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA (asymmetric only)'
    ] as const),
  [{ tokenKind: 'jwt' }, 'tokenKind: expected \'keycloak\' or \'at+jwt\''],
  [{ clockToleranceSeconds: 61 }, 'clockToleranceSeconds: expected a whole number from 0 to 60'],
  [{ clockToleranceSeconds: '5' }, 'clockToleranceSeconds: expected a whole number from 0 to 60'],
  [{ maxTokenLifetimeSeconds: 0 }, 'maxTokenLifetimeSeconds: expected a whole number from 1 to 31536000'],
  [{ keysRefreshSeconds: 1.5 }, 'keysRefreshSeconds: expected a whole number from 1 to 3600'],
  [{ keysMaxStaleHours: -1 }, 'keysMaxStaleHours: expected a whole number from 0 to 720'],
  [{ keysFetchTimeoutSeconds: 31 }, 'keysFetchTimeoutSeconds: expected a whole number from 1 to 30'],
  [{ serviceClaim: 5 }, 'serviceClaim: expected a string, name=value'],
  [
    { serviceClaim: 'x' },
    'serviceClaim: expected name=value of a claim that proves a service, such as token_use=service, without spaces around =, got "x"'
  ],
  [{ serviceClaim: 'iss=x' }, 'serviceClaim: iss does not prove a service, since tokens of users have it too'],
  [{ unlisted: 'open' }, 'unlisted: expected \'refuse\' or \'public\''],
  [{ errors: 'send' }, 'errors: expected \'problem\' or \'throw\''],
  ...[
    5, [5], [null], [{ path: 'docs' }], [{ path: '/docs', methods: 'GET' }], [{ path: '/docs', method: ['GET'] }],
    [{ path: '/docs', methods: [5] }]
  ].map((trusted) =>
    [{ trusted }, 'trusted: expected an array of { path, methods }, such as { path: \'/docs/*\' }'] as const),
  ...[5, null, ['a'], { a: 5 }].map((scopes) => [{ scopes }, 'scopes: expected an object, scope name → sentence'] as const),
  ...[5, 'a"b', ''].map((challengeRealm) => [
    { challengeRealm }, 'challengeRealm: expected 1 to 100 ASCII characters without quote and backslash'
  ] as const),
  [{ docsUrl: 5 }, 'docsUrl: expected a string'],
  [{ docsUrl: 'docs' }, 'docsUrl: expected an address that begins with https:// or http://, such as https://host/path, got (not shown)'],
  [{ publicUrl: 5 }, 'publicUrl: expected a string'],
  [{ publicUrl: 'https://api.example.com/:id' }, 'publicUrl: expected a path without * : ( ) [ ] { }, got "https://api.example.com/:id"'],
  [{ maxTokenBytes: 1023 }, 'maxTokenBytes: expected a whole number from 1024 to 60000'],
  [{ tokenCacheMb: 4097 }, 'tokenCacheMb: expected a whole number from 0 to 4096'],
  [{ allowInsecureHttp: 'on' }, 'allowInsecureHttp: expected true or false'],
  [{ useEnvProxy: 1 }, 'useEnvProxy: expected true or false'],
  [{ warn: 'log' }, 'warn: expected a function'],
  [{ audiance: 'x' }, 'audiance: is not an option; did you mean audience?'],
  [
    { issuers: [GOOD] },
    'issuer: stands in each issuer of issuers, not beside it',
    'audience: stands in each issuer of issuers, not beside it'
  ]
]

t.test('every option that is wrong has its sentence, and nothing else is reported', async (t) => {
  for (const [options, ...problems] of WRONG) t.same(problemsOf({ ...GOOD, ...options }), problems, JSON.stringify(options))
})

t.test('lists of issuers that are wrong', async (t) => {
  const EXPECTED = 'issuers: expected an array of one or more issuers, { issuer, audience }'
  t.same(problemsOf({ issuers: [] }), [EXPECTED])
  t.same(problemsOf({ issuers: GOOD }), [EXPECTED])
  t.same(problemsOf({ issuers: [GOOD, null, 5, []] }), [1, 2, 3].map((at) => `issuers[${at}]: expected an object, { issuer, audience }`))
  t.same(
    problemsOf({ issuers: [GOOD, { ...GOOD, audience: undefined }, GOOD] }),
    [`issuers[1].${REQUIRED_AUDIENCE}`, `issuers: expected each issuer once, got "${ISSUER}" twice`]
  )
  t.same(
    problemsOf({ issuers: [GOOD, { issuer: `${ISSUER}2`, audience: 'api', unlisted: 'public' }] }),
    ['issuers[1].unlisted: is not an option']
  )
})

t.test('everything that is wrong is reported at once', async (t) => {
  t.throws(() => readOptions({ audience: [], errors: 'x', warn: 1, issuer: 2 } as never), {
    name: 'OptionsError',
    message:
      '4 errors in the options of scopegate:\n  issuer: expected a string\n  audience: expected at least one name\n  errors: ' +
      'expected \'problem\' or \'throw\'\n  warn: expected a function'
  })
  t.throws(
    () => readOptions({ ...GOOD, tokenCacheMb: 0.5 }),
    { message: 'an error in the options of scopegate:\n  tokenCacheMb: expected a whole number from 0 to 4096' }
  )
})

t.test('addresses: plain http to another host needs the switch, and is warned of; a secret in an address is not shown', async (t) => {
  const insecure = { issuer: 'http://sso.example.com/realms/a', audience: 'api' }
  t.match(problemsOf(insecure), [/^issuer: expected .*allowInsecureHttp: true/])
  t.match(readOptions({ ...insecure, allowInsecureHttp: true }).warnings, [/^issuer, jwksUrl: plain http to another host/])
  t.same(readOptions({ ...insecure, allowInsecureHttp: true, keys: { keys: [{ kty: 'EC' }] } }).warnings, [], 'nothing is fetched')
  t.match(problemsOf({ ...GOOD, issuer: 'https://user:secret@sso.example.com/realms/a' }), [/^issuer: expected .*got \(not shown\)$/])
  t.match(
    problemsOf({ ...GOOD, issuer: 'https://sso.example.com/admin/master/console/#/myorg' }),
    [/the issuer itself, https:\/\/sso\.example\.com\/realms\/myorg/]
  )
  for (const path of ['.well-known/openid-configuration', 'protocol/openid-connect/token']) {
    t.match(problemsOf({ ...GOOD, jwksUrl: `${ISSUER}/${path}` }), [/^jwksUrl: expected the address of the key set/])
  }
})

t.test('warnings name the option, and in a list its place', async (t) => {
  const odd = {
    issuer: 'https://sso.example.com:443/realms/a', audience: '*', jwksUrl: 'https://sso.example.com/realms/b/protocol/openid-connect/certs'
  } as const
  t.match(readOptions(odd).warnings, [
    /^audience '\*': a token made for any other API/,
    /^issuer has the default port/,
    /^jwksUrl is of the realm "b", issuer of the realm "a"/
  ])
  t.same(readOptions({ ...GOOD, redisUrl: 'redis://a' }).warnings, ['redisUrl is not used: dpop is off'])
  t.same(readOptions({ ...GOOD, redisUrl: 'redis://a', dpop: 'allowed', publicUrl: 'https://api.example.com' }).warnings, [])
  t.match(readOptions({ issuers: [GOOD, odd, { issuer: `${ISSUER}2`, audience: 'account' }] }).warnings, [
    /^issuers\[1\]\.audience '\*'/, /^issuers\[1\]\.issuer has/, /^issuers\[1\]\.jwksUrl is of/, /^issuers\[2\]\.audience=account/
  ])
})

t.test('every default equals that of the environment', async (t) => {
  const { issuers: [ours], warnings, ...guard } = readOptions(GOOD)
  const config = loadConfig({ ISSUER, AUDIENCE: 'api' })
  t.same(ours, config.issuers[0])
  t.same(warnings, [])
  t.same({ ...guard }, {
    scopes: undefined, unlisted: 'refuse', errors: 'problem', trusted: [],
    challengeRealm: config.challengeRealm, publicUrl: config.publicUrl, docsUrl: config.docsUrl, useEnvProxy: config.useEnvProxy,
    dpop: config.dpop, dpopNonceSecrets: config.dpopNonceSecrets, redisUrl: config.redisUrl,
    clientCertificate: config.clientCertificate, trustProxy: config.trustProxy,
    maxTokenBytes: config.maxTokenBytes, tokenCacheBytes: config.tokenCacheBytes
  })
})

t.test('what is given is what is used', async (t) => {
  const given = {
    issuer: ISSUER, audience: ['a', 'b', 'a'], jwksUrl: 'https://keys.example.com/realms/myorg/protocol/openid-connect/certs',
    algorithms: ['ES256', 'PS512'], tokenKind: 'at+jwt',
    clockToleranceSeconds: 0, maxTokenLifetimeSeconds: 600, keysRefreshSeconds: 1, keysMaxStaleHours: 0, keysFetchTimeoutSeconds: 30,
    serviceClaim: 'token_use=a=b'
  } as const
  const settings = readOptions({
    ...given, scopes: { a: 'A' }, unlisted: 'public', errors: 'throw', trusted: [{ path: '/docs/*' }], challengeRealm: 'x',
    publicUrl: 'https://api.example.com/v1//',
    docsUrl: 'https://docs.example.com/scopegate/',
    maxTokenBytes: 1024, tokenCacheMb: 1, useEnvProxy: true
  })
  t.same(settings.issuers, [{ ...given, keys: undefined, audience: ['a', 'b'], serviceClaim: { name: 'token_use', value: 'a=b' } }])
  t.match(settings, {
    unlisted: 'public', errors: 'throw', challengeRealm: 'x', publicUrl: 'https://api.example.com/v1',
    docsUrl: 'https://docs.example.com/scopegate', maxTokenBytes: 1024, tokenCacheBytes: 1048576, useEnvProxy: true
  })
})
