import { evidenceOf, readAccessToken, type AccessToken } from './access-token.ts'
import { InvalidToken } from './errors.ts'
import type { VerificationKey } from './key-set.ts'
import { principalOf, type Claims, type Principal } from './principal.ts'
import { bearer, type Proof } from './proof.ts'
import { tailOf, TokenCache } from './token-cache.ts'
import type { TrustedIssuer, TrustedIssuers } from './trusted-issuers.ts'
import { VerificationLane } from './verification-lane.ts'

/** Checks the signature of a token with a key of its issuer that fits its header; throws or rejects with InvalidToken if it is not that key's. */
export type SignatureCheck = (token: string, key: VerificationKey, issuer: TrustedIssuer) => void | Promise<void>

export interface VerificationOptions<C> {
  readonly issuers: TrustedIssuers
  readonly cacheBytes: number
  readonly checkSignature: SignatureCheck
  /** What a request must prove beside its token; bearer by default: nothing. */
  readonly proof?: Proof<C>
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number
}

interface Pending {
  readonly token: string
  principal: Promise<Principal> | undefined
}

/** A token that was read: its issuer is one of ours, nothing else is proven. */
interface Unproven {
  readonly token: string
  readonly tail: string
  readonly claims: Claims
  readonly issuer: TrustedIssuer
}

/**
 * Token → principal: cache, reader, key, signature queue, cache; then the proof of the request. A cached token costs one look-up and
 * nothing is decoded; only verified tokens enter the cache, and one token is verified once however many requests present it at a time.
 */
export class Verification<C> {
  readonly cache: TokenCache
  readonly lane = new VerificationLane()
  /** What was done so far. */
  readonly counts = { cacheHits: 0, tokensRead: 0, signatureChecks: 0 }
  readonly #options: VerificationOptions<C>
  readonly #proof: Proof<C>
  readonly #nowMs: () => number
  readonly #pending = new Map<string, Pending>()

  constructor (options: VerificationOptions<C>) {
    this.#options = options
    this.#proof = options.proof ?? bearer
    this.#nowMs = options.nowMs ?? Date.now
    this.cache = new TokenCache(options.cacheBytes)
  }

  /** The caller that presents a token which was verified before and is still valid: the hot path, on which nothing is decoded. */
  recall (token: string, context: C): Principal | Promise<Principal> | undefined {
    const principal = this.cache.get(token, this.#nowMs())
    if (principal === undefined) return undefined
    this.counts.cacheHits++
    return this.#proof(principal, context)
  }

  /** The caller that presents a token which `recall` does not know. Throws or rejects with a Refusal. */
  verify (token: string, context: C): Promise<Principal> {
    return this.#verified(token).then((principal) => this.#proof(principal, context))
  }

  #verified (token: string): Promise<Principal> {
    const tail = tailOf(token)
    const pending = this.#pending.get(tail)
    if (pending?.token === token) return pending.principal as Promise<Principal>
    this.counts.tokensRead++
    const { issuers } = this.#options
    const { header, claims } = readAccessToken(token, issuers, this.#nowMs() / 1000)
    const issuer = issuers.of(claims.iss) as TrustedIssuer
    const key = keyOf(header, claims, issuer)
    // Set before the work begins and removed when it ends, even if it ends at once.
    const begun: Pending = { token, principal: undefined }
    this.#pending.set(tail, begun)
    return (begun.principal = this.#check({ token, tail, claims, issuer }, key))
  }

  async #check (unproven: Unproven, found: VerificationKey | Promise<VerificationKey>): Promise<Principal> {
    const { token, tail, issuer } = unproven
    try {
      const key = found instanceof Promise ? await found : found
      await this.lane.enter(async () => {
        this.counts.signatureChecks++
        await this.#options.checkSignature(token, key, issuer)
      })
      return this.#keep(unproven, key)
    } catch (error) {
      throw withEvidence(error, unproven)
    } finally {
      this.#pending.delete(tail)
    }
  }

  #keep ({ token, claims, issuer }: Unproven, key: VerificationKey): Principal {
    const principal = principalOf(claims, issuer)
    const deadlineMs = (principal.expiresAt + issuer.clockToleranceSeconds) * 1000
    // Both may have ended while the signature waited for its turn.
    if (!key.alive) throw new InvalidToken('key_unknown', 'withdrawn meanwhile')
    if (this.#nowMs() >= deadlineMs) throw new InvalidToken('expired', 'meanwhile')
    this.cache.set(token, principal, key, deadlineMs)
    return principal
  }
}

function keyOf ({ kid, alg }: AccessToken['header'], claims: Claims, issuer: TrustedIssuer): VerificationKey | Promise<VerificationKey> {
  try {
    return issuer.keyring.key(kid, alg)
  } catch (error) {
    throw withEvidence(error, { claims, issuer })
  }
}

/** A refusal by key or signature says what the token says of its client, as a refusal by the reader does. */
function withEvidence (error: unknown, { claims, issuer }: Pick<Unproven, 'claims' | 'issuer'>): unknown {
  return error instanceof InvalidToken ? error.about(evidenceOf(claims, issuer)) : error
}
