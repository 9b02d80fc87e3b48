import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { ConfirmationMethod } from '../src/oauth/confirmation.ts'
import { valuesOf } from '../src/oauth/credentials.ts'
import { Nonces } from '../src/oauth/dpop/nonces.ts'
import { ProofCheck } from '../src/oauth/dpop/proof-check.ts'
import { MemoryReplays, type Replays } from '../src/oauth/dpop/replays.ts'
import { possession } from '../src/oauth/possession.ts'
import type { Proof } from '../src/oauth/proof.ts'
import type { BindingSettings } from '../src/options/binding-options.ts'
import { presentedCertificate } from './client-certificate.ts'

export interface PossessionSettings extends BindingSettings {
  readonly publicUrl: string | undefined
  readonly challengeRealm: string
}

/** What the reader of tokens may accept, and how each request proves it. */
export interface ProofOfPossession {
  readonly confirmations: readonly ConfirmationMethod[]
  readonly proof: Proof<FastifyRequest>
}

/**
 * How the requests of this application prove that they may use a bound token. A store of proofs in Redis is connected here and closed
 * with the application.
 */
export async function proofOfPossession (app: FastifyInstance, settings: PossessionSettings): Promise<ProofOfPossession> {
  const { dpop, clientCertificate } = settings
  const supplied = new WeakMap<FastifyRequest, string>()
  if (settings.dpopNonceSecrets.length > 0) supplyNonces(app, supplied)
  return {
    confirmations: [...dpop === 'off' ? [] : ['jkt' as const], ...clientCertificate === 'off' ? [] : ['x5t#S256' as const]],
    proof: possession<FastifyRequest>({
      dpop: dpop === 'off' ? undefined : await proofCheck(app, settings),
      dpopRequired: dpop === 'required',
      proofRequestOf: ({ method, raw, originalUrl }) => ({ method, target: originalUrl, proofs: valuesOf(raw.rawHeaders, 'dpop') }),
      supplyNonce: (request, nonce) => void supplied.set(request, nonce),
      certificateOf: presentedCertificate(settings)
    })
  }
}

async function proofCheck (
  app: FastifyInstance,
  { publicUrl = '', challengeRealm, dpopNonceSecrets, redisUrl }: PossessionSettings
): Promise<ProofCheck> {
  return new ProofCheck({
    publicUrl,
    replays: await replaysOf(app, redisUrl),
    nonces: dpopNonceSecrets.length === 0 ? undefined : new Nonces(dpopNonceSecrets, `${publicUrl}\n${challengeRealm}`)
  })
}

async function replaysOf (app: FastifyInstance, redisUrl: string | undefined): Promise<Replays> {
  if (redisUrl === undefined) return new MemoryReplays()
  const { redisReplays } = await import('./redis-replays.ts')
  return redisReplays(app, redisUrl)
}

/** RFC 9449 §8.2: a proof with the nonce before the newest was accepted; its response supplies the newest. */
function supplyNonces (app: FastifyInstance, supplied: WeakMap<FastifyRequest, string>): void {
  app.addHook('onSend', (request, reply, _payload, next) => {
    const nonce = supplied.get(request)
    if (nonce !== undefined) reply.header('dpop-nonce', nonce)
    next()
  })
}
