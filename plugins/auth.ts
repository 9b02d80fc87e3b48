import { setTimeout as pause } from 'node:timers/promises'
import type { FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Expectations } from '../src/oauth/access-token.ts'
import { authorizationOf, readCredentials, type Scheme } from '../src/oauth/credentials.ts'
import type { Clock } from '../src/oauth/clock.ts'
import { verified } from '../src/events.ts'
import { HandlerMistake, InvalidRequest, MissingCredentials } from '../src/oauth/errors.ts'
import { createGetJwksSource } from '../src/oauth/get-jwks-source.ts'
import { keySetFrom, type KeySetSource, type StaticKeys } from '../src/oauth/key-set-source.ts'
import { Keyring } from '../src/oauth/keyring.ts'
import type { Principal } from '../src/oauth/principal.ts'
import { textOf } from '../src/oauth/token-cache.ts'
import { TrustedIssuers, type TrustedIssuer } from '../src/oauth/trusted-issuers.ts'
import { Verification } from '../src/oauth/verification.ts'
import type { ProofOfPossession } from './proof-of-possession.ts'
import { countedHeaders } from './header-bound.ts'
import { conditionsOf, type KeysSource } from './issuer-conditions.ts'
import { keyringEvents } from './issuer-events.ts'
import { AUTHENTICATE, READINESS, TRACING, TRUSTED_ISSUERS, VERIFICATION } from './names.ts'
import { withHeaders } from './refused-in-hook.ts'
import type {} from './readiness.ts'
import './trace-context.ts'
import { createVerifiers, loadFastifyJwt } from './verifiers.ts'

/** One issuer to trust. Nothing of it is ever taken from a token. */
export interface IssuerOptions extends Expectations {
  /** Where its key set is fetched, unless `keys` are given. */
  readonly jwksUrl: string
  readonly keys?: StaticKeys | undefined
  readonly keysFetchTimeoutSeconds: number
  readonly useEnvProxy: boolean
  readonly keysRefreshSeconds: number
  readonly keysMaxStaleHours: number
  /** A claim that proves a service, compared exactly. */
  readonly serviceClaim: TrustedIssuer['serviceClaim']
}

export interface AuthOptions {
  /** At least one; each `issuer` once. */
  readonly issuers: readonly IssuerOptions[]
  /** Bound of the cache of verified tokens, which all issuers share. */
  readonly tokenCacheBytes: number
  /** How requests prove that they may use a bound token; without it such tokens are refused. */
  readonly possession?: ProofOfPossession | undefined
  /** Another time for the keyrings, in tests. */
  readonly clock?: Clock
}

/** The schemes as nearly every caller writes them; any other spelling misses the cache and is read with care. */
const PREFIX = 'Bearer '
const DPOP_PREFIX = 'DPoP '
const PRINCIPAL = Symbol('principal')
/** A function may be given in place of keys, and take its time. */
const GIVEN_KEYS_MS = 100

/** At once where nothing has to be waited for. */
type Outcome = Principal | Promise<Principal>

declare module 'fastify' {
  interface FastifyInstance {
    [TRUSTED_ISSUERS]: TrustedIssuers<KeysSource>
    [VERIFICATION]: Verification<FastifyRequest>
  }

  interface FastifyRequest {
    /** Who is calling. Throws on a public route, and on an optional one without a token: there nobody is known. */
    readonly principal: Principal
    /** Who is calling, or undefined where nobody is known. */
    readonly optionalPrincipal: Principal | undefined
    /** Finds out who is calling, for the policy; at once when the token is cached. Throws or rejects with a Refusal. */
    [AUTHENTICATE]: () => Principal | Promise<Principal>
    [PRINCIPAL]: Principal | undefined
  }
}

/** @fastify/jwt over get-jwks' keys, behind the strict reader and the cache; decorates the request with the principal. */
export default fp<AuthOptions>((app, { issuers, tokenCacheBytes, possession, clock }, done) => {
  const { confirmations = [], proof } = possession ?? {}
  const acceptsDpop = confirmations.includes('jkt')
  const trusted = new TrustedIssuers(issuers.map((one) => {
    const source = sourceOf(one)
    return { ...one, source, keyring: keyringOf(one, source), confirmations }
  }))
  const verification = new Verification<FastifyRequest>({
    issuers: trusted,
    cacheBytes: tokenCacheBytes,
    verifierOf: createVerifiers(),
    addressOf: ({ ip }: { readonly ip: string | undefined }) => ip ?? '', // as in audit.ts
    hasLeft: ({ raw }) => raw.socket.destroyed,
    ...proof && { proof }
  })

  app.decorate(TRUSTED_ISSUERS, trusted)
  app.decorate(VERIFICATION, verification)
  app.decorateRequest(PRINCIPAL, undefined)
  app.decorateRequest('principal', { getter: principalOf })
  app.decorateRequest('optionalPrincipal', { getter () { return this[PRINCIPAL] } })
  app.decorateRequest(AUTHENTICATE, authenticate)
  if (app.hasDecorator(READINESS)) for (const [name, condition] of conditionsOf(trusted.all)) app[READINESS].watch(name, condition)

  app.addHook('onReady', async () => {
    const started = trusted.all.map(({ keyring, keys }) => ({ keys, first: keyring.start() }))
    // Nothing waits for an issuer; keys that are at hand are known with the first request.
    const given = started.filter(({ keys }) => keys !== undefined).map(({ first }) => first)
    if (given.length === 0) return
    const waiting = new AbortController()
    await Promise.race([Promise.all(given), pause(GIVEN_KEYS_MS, undefined, waiting)])
    waiting.abort()
  })
  app.addHook('onClose', async () => {
    verification.cache.close()
    for (const { keyring } of trusted.all) keyring.stop()
    await Promise.all(trusted.all.map(({ source }) => source.close()))
  })
  done()

  function keyringOf (options: IssuerOptions, { fetchKeySet }: KeySetSource): Keyring {
    const { issuer, jwksUrl, keysRefreshSeconds, keysMaxStaleHours } = options
    return new Keyring({
      async fetchKeySet (wanted) {
        const attributes = { 'scopegate.issuer': issuer, 'url.full': jwksUrl }
        const set = await (app[TRACING]?.inSpan('scopegate.fetch_keys', { root: true, attributes }, () => fetchKeySet(wanted)) ??
          fetchKeySet(wanted))
        // Before the keys are known, so that no token waits for it. A failure is one of the fetch: 503, and another attempt.
        loadFastifyJwt()
        return set
      },
      refreshSeconds: keysRefreshSeconds,
      maxStaleHours: keysMaxStaleHours,
      events: keyringEvents(app.log, options),
      ...clock && { clock }
    })
  }

  function authenticate (this: FastifyRequest): Outcome {
    const { rawHeaders } = this.raw
    if (rawHeaders.length >= 2 * countedHeaders(app.server.maxHeadersCount)) throw new InvalidRequest('headers_too_many')
    const authorization = authorizationOf(rawHeaders)
    const recalled = recall(authorization, this)
    return recalled === undefined ? read(authorization, this) : noted(this, recalled, undefined)
  }

  /** The look-up of the hot path, of a header that is written as nearly every caller does. */
  function recall (authorization: string, request: FastifyRequest): Outcome | undefined {
    if (authorization.startsWith(PREFIX)) return verification.recall(authorization, request)
    if (acceptsDpop && authorization.startsWith(DPOP_PREFIX)) {
      return verification.recall(textOf(authorization.slice(DPOP_PREFIX.length)), request, 'dpop')
    }
    return undefined
  }

  function read (authorization: string, request: FastifyRequest): Outcome {
    const { scheme, token } = readCredentials(authorization, acceptsDpop)
    // Another scheme, another spelling of it, or more spaces: the look-up before was for another text.
    const isWritten = (prefix: string): boolean => authorization.length === prefix.length + token.length && authorization.startsWith(prefix)
    const isUsual = isWritten(PREFIX)
    const known = isUsual || (acceptsDpop && isWritten(DPOP_PREFIX)) ? undefined : verification.recall(textOf(token), request, scheme)
    if (known !== undefined) return noted(request, known, undefined)
    const sinceMs = verified.hasSubscribers ? performance.now() : 0
    return noted(request, verify(token, request, scheme, isUsual ? authorization : undefined), sinceMs)
  }

  /** A span for each verification, where there is an SDK of OpenTelemetry. */
  function verify (token: string, request: FastifyRequest, scheme: Scheme, text: string | undefined): Outcome {
    return app[TRACING]?.inSpan('scopegate.verify', { attributes: {} }, async () => verification.verify(token, request, scheme, text)) ??
      verification.verify(token, request, scheme, text)
  }
}, { name: 'auth' })

function sourceOf ({ jwksUrl, keys, keysFetchTimeoutSeconds, useEnvProxy }: IssuerOptions): KeySetSource {
  return keys === undefined ? createGetJwksSource({ jwksUrl, timeoutMs: keysFetchTimeoutSeconds * 1000, useEnvProxy }) : keySetFrom(keys)
}

/** `sinceMs`: when the verification began; undefined for a token that was in the cache. */
function noted (request: FastifyRequest, outcome: Outcome, sinceMs: number | undefined): Outcome {
  return outcome instanceof Promise ? outcome.then((principal) => known(request, principal, sinceMs)) : known(request, outcome, sinceMs)
}

/** The caller is known from here on. An event is made only while somebody listens. */
function known (request: FastifyRequest, principal: Principal, sinceMs: number | undefined): Principal {
  request[PRINCIPAL] = principal
  if (verified.hasSubscribers) {
    const { issuer, clientId, subject } = principal
    const { method, routeOptions: { url: route }, id: requestId } = request
    const durationMs = sinceMs === undefined ? undefined : performance.now() - sinceMs
    verified.publish({ issuer, clientId, subject, cached: sinceMs === undefined, durationMs, method, route, requestId })
  }
  return principal
}

function principalOf (this: FastifyRequest): Principal {
  const principal = this[PRINCIPAL]
  if (principal !== undefined) return principal
  if (this.access?.mode === 'optional') throw withHeaders(new MissingCredentials(), this)
  throw new HandlerMistake(
    `request.principal of ${this.method} ${String(this.routeOptions.url)}: the route does not require a token, so nobody is known; ` +
    'declare config.auth { scopes: [] }, or { optional: true } and read request.optionalPrincipal'
  )
}
