import { createRequire } from 'node:module'
import type fastifyJwt from '@fastify/jwt'
import fastify from 'fastify'
import { InvalidToken } from '../src/oauth/errors.ts'
import type { VerificationKey } from '../src/oauth/key-set.ts'
import type { TrustedIssuer } from '../src/oauth/trusted-issuers.ts'
import type { Verifier, VerificationOptions } from '../src/oauth/verification.ts'

const load = createRequire(import.meta.url)

/**
 * Loads @fastify/jwt, which is a tenth of the start and has nothing to do before there are keys. Throws when it cannot be loaded
 * (EMFILE); the next call tries again, as for undici.
 */
export function loadFastifyJwt (): typeof fastifyJwt {
  return load('@fastify/jwt') as typeof fastifyJwt
}

/**
 * @fastify/jwt in private contexts: one Fastify instance for each key, which serves nothing, so that neither `app.jwt` nor
 * `request.user` exists on the host, and a host may have its own @fastify/jwt. With the key fixed at registration, its PEM is parsed
 * once and `jwt.verify(token)` uses the one verifier that was created then; any other form of the call creates one for each token.
 */
export function createVerifiers (): VerificationOptions<unknown>['verifierOf'] {
  const verifiers = new WeakMap<VerificationKey, Verifier | Promise<Verifier>>()

  return (key, issuer) => verifiers.get(key) ?? prepare(key, issuer)

  function prepare (key: VerificationKey, issuer: TrustedIssuer): Promise<Verifier> {
    const preparing = verifierOf(key, issuer).catch(refuse)
    verifiers.set(key, preparing)
    void preparing.then((verifier) => verifiers.set(key, verifier), () => verifiers.delete(key))
    return preparing
  }
}

async function verifierOf ({ pem, alg }: VerificationKey, issuer: TrustedIssuer): Promise<Verifier> {
  const context = fastify({ logger: false })
  const anyAudience = issuer.audience === 'any'
  await context.register(loadFastifyJwt(), {
    secret: { public: pem },
    verify: {
      algorithms: [alg],
      allowedIss: issuer.issuer,
      ...!anyAudience && { allowedAud: [...issuer.audience] },
      requiredClaims: anyAudience ? ['iss', 'exp'] : ['iss', 'exp', 'aud'],
      clockTolerance: issuer.clockToleranceSeconds * 1000,
      cache: false
    }
  })
  await context.ready()
  const { jwt } = context
  return (token) => {
    try {
      jwt.verify(token)
    } catch (error) {
      refuse(error)
    }
  }
}

/** What the library finds wrong with a token is the token's; every other error is ours. */
function refuse (error: unknown): never {
  const code = String((error as { code?: unknown }).code)
  throw /^(?:FST|FAST)_JWT_/.test(code) ? new InvalidToken('signature_invalid', code) : error
}
