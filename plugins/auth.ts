import fastifyJwt from '@fastify/jwt'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Config } from '../src/config.ts'
import { authorizationOf, readCredentials } from '../src/oauth/credentials.ts'
import type { Clock } from '../src/oauth/clock.ts'
import { InvalidToken, MissingCredentials } from '../src/oauth/errors.ts'
import type { VerificationKey } from '../src/oauth/key-set.ts'
import { Keyring, type KeyringEvents } from '../src/oauth/keyring.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { Verification } from '../src/oauth/verification.ts'

export type AuthConfig = Pick<Config,
  'issuer' | 'audience' | 'jwksUrl' | 'algorithms' | 'tokenKind' | 'clockToleranceSeconds' | 'maxTokenLifetimeSeconds' | 'maxTokenBytes' |
  'keysRefreshSeconds' | 'keysMaxStaleHours' | 'tokenCacheBytes'>

export interface AuthOptions {
  readonly config: AuthConfig
  /** Another time for the keyring, in tests. */
  readonly clock?: Clock
}

/** The scheme as nearly every caller writes it; any other spelling misses the cache and is read with care. */
const PREFIX = 'Bearer '
const KEY = Symbol('verification key')
const PRINCIPAL = Symbol('principal')

declare module 'fastify' {
  interface FastifyInstance {
    keyring: Keyring
    verification: Verification<FastifyRequest>
  }

  interface FastifyRequest {
    /** Who is calling. Throws on a public route, and on an optional one without a token: there nobody is known. */
    readonly principal: Principal
    /** Who is calling, or undefined where nobody is known. */
    readonly optionalPrincipal: Principal | undefined
    /** Finds out who is calling, for the policy; at once when the token is cached. Throws or rejects with a Refusal. */
    authenticate: () => Principal | Promise<Principal>
    [KEY]: VerificationKey | undefined
    [PRINCIPAL]: Principal | undefined
  }
}

/** @fastify/jwt over get-jwks' keys, behind the strict reader and the cache; decorates the request with the principal. */
export default fp<AuthOptions>(async (app, { config, clock }) => {
  await app.register(fastifyJwt, {
    secret: { public: (request: FastifyRequest) => Promise.resolve(keyOf(request).pem) },
    verify: {
      algorithms: [...config.algorithms],
      allowedIss: config.issuer,
      ...config.audience !== 'any' && { allowedAud: [...config.audience] },
      requiredClaims: config.audience === 'any' ? ['iss', 'exp'] : ['iss', 'exp', 'aud'],
      clockTolerance: config.clockToleranceSeconds * 1000,
      cache: false
    }
  })

  const keyring = new Keyring({
    jwksUrl: config.jwksUrl,
    refreshSeconds: config.keysRefreshSeconds,
    maxStaleHours: config.keysMaxStaleHours,
    events: loggedEvents(app.log, config),
    ...clock && { clock }
  })
  const verification = new Verification<FastifyRequest>({
    expected: config,
    keyring,
    cacheBytes: config.tokenCacheBytes,
    checkSignature: (_token, key, request) => checkSignature(key, request)
  })

  app.decorate('keyring', keyring)
  app.decorate('verification', verification)
  app.decorateRequest(KEY, undefined)
  app.decorateRequest(PRINCIPAL, undefined)
  app.decorateRequest('principal', { getter: principalOf })
  app.decorateRequest('optionalPrincipal', { getter () { return this[PRINCIPAL] } })
  app.decorateRequest('authenticate', authenticate)
  watchKeys(app.readiness.watch, keyring, config)

  app.addHook('onReady', (done) => {
    void keyring.start()
    done()
  })
  app.addHook('onClose', () => keyring.stop())

  function authenticate (this: FastifyRequest): Principal | Promise<Principal> {
    const authorization = authorizationOf(this.raw.rawHeaders)
    const known = (authorization.startsWith(PREFIX) ? verification.recall(authorization.slice(PREFIX.length)) : undefined) ??
      read(authorization, this)
    if (known instanceof Promise) return known.then((principal) => (this[PRINCIPAL] = principal))
    return (this[PRINCIPAL] = known)
  }

  function read (authorization: string, request: FastifyRequest): Principal | Promise<Principal> {
    const { token } = readCredentials(authorization)
    // Another spelling of the scheme, or more spaces: the look-up before was for another text.
    return (authorization === PREFIX + token ? undefined : verification.recall(token)) ?? verification.verify(token, request)
  }
}, { name: 'auth', dependencies: ['readiness'] })

function keyOf (request: FastifyRequest): VerificationKey {
  const key = request[KEY]
  if (key === undefined) throw new Error('jwtVerify was called without a key: request.authenticate() does that')
  return key
}

function principalOf (this: FastifyRequest): Principal {
  const principal = this[PRINCIPAL]
  if (principal === undefined) throw new MissingCredentials()
  return principal
}

/** The promise form without arguments: any other builds a verifier anew for every call. */
async function checkSignature (key: VerificationKey, request: FastifyRequest): Promise<void> {
  request[KEY] = key
  try {
    await request.jwtVerify()
  } catch (error) {
    const code = String((error as { code?: unknown }).code)
    throw /^(?:FST|FAST)_JWT_/.test(code) ? new InvalidToken('signature_invalid', code) : error
  }
}

function loggedEvents (log: { info: Log, warn: Log, error: Log }, { issuer, jwksUrl }: AuthConfig): KeyringEvents {
  return {
    unavailable: (fault, knownKeys) => knownKeys > 0
      ? log.warn({ issuer, jwksUrl, fault, knownKeys }, `the issuer's keys cannot be fetched from ${jwksUrl}: ${fault}; the known ones stay in use`)
      : log.error({ issuer, jwksUrl, fault }, `the issuer's keys cannot be fetched from ${jwksUrl}: ${fault}; protected routes answer 503 until they can`),
    available: (afterMs) => log.info({ issuer, afterSeconds: Math.round(afterMs / 1000) }, 'the issuer\'s keys can be fetched again'),
    keysChanged: (came, went) => log.info({ issuer, came, went }, 'the issuer\'s keys have changed'),
    keysExpired: (went) => log.error({ issuer, went }, 'the keys have outlived the issuer for KEYS_MAX_STALE_HOURS and are given up')
  }
}

type Log = (fields: object, message: string) => void

function watchKeys (watch: (name: string, condition: () => { severity: 'unavailable' | 'degraded' | 'notice', text: string } | undefined) => void, keyring: Keyring, { audience }: AuthConfig): void {
  watch('keys_missing', () => keyring.state().knownKeys > 0 ? undefined : { severity: 'unavailable', text: 'the issuer\'s keys are not known' })
  watch('issuer_unavailable', () => {
    const { knownKeys, fault, ageMs = 0 } = keyring.state()
    return fault === undefined || knownKeys === 0 ? undefined : { severity: 'degraded', text: `the keys in use were fetched ${Math.round(ageMs / 1000)} s ago` }
  })
  watch('any_audience', () => audience === 'any' ? { severity: 'notice', text: 'AUDIENCE=*: tokens made for other APIs are accepted' } : undefined)
}
