import { readAccessToken, type Expectations } from './access-token.ts'
import { InvalidToken } from './errors.ts'
import type { VerificationKey } from './key-set.ts'
import type { Keyring } from './keyring.ts'
import { principalOf, type Claims, type Principal } from './principal.ts'
import { tailOf, TokenCache } from './token-cache.ts'
import { VerificationLane } from './verification-lane.ts'

/** Checks the signature of a token, with a key that fits its header; throws InvalidToken if it is not the key's. `context` is the caller's. */
export type SignatureCheck<C> = (token: string, key: VerificationKey, context: C) => Promise<void>

export interface VerificationOptions<C> {
  readonly expected: Expectations
  readonly keyring: Pick<Keyring, 'key'>
  readonly cacheBytes: number
  readonly checkSignature: SignatureCheck<C>
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number
}

interface Pending {
  readonly token: string
  principal: Promise<Principal> | undefined
}

/**
 * Token → principal: cache, reader, key, signature lane, principal, cache. A cached token costs one look-up and nothing is decoded;
 * only verified tokens enter the cache, and one token is verified once however many requests bring it at a time.
 */
export class Verification<C> {
  readonly cache: TokenCache
  readonly lane = new VerificationLane()
  /** What was done so far. */
  readonly counts = { cacheHits: 0, tokensRead: 0, signatureChecks: 0 }
  readonly #options: VerificationOptions<C>
  readonly #nowMs: () => number
  readonly #pending = new Map<string, Pending>()

  constructor (options: VerificationOptions<C>) {
    this.#options = options
    this.#nowMs = options.nowMs ?? Date.now
    this.cache = new TokenCache(options.cacheBytes)
  }

  /** The caller whom a token stands for, if it was verified before and is still good: the hot path, on which nothing is decoded. */
  recall (token: string): Principal | undefined {
    const principal = this.cache.get(token, this.#nowMs())
    if (principal !== undefined) this.counts.cacheHits++
    return principal
  }

  /** The caller whom a token stands for that `recall` does not know. Throws or rejects with a Refusal. */
  verify (token: string, context: C): Promise<Principal> {
    if (token.length > this.#options.expected.maxTokenBytes) throw new InvalidToken('token_too_large', `${token.length} characters`)
    const tail = tailOf(token)
    const pending = this.#pending.get(tail)
    if (pending?.token === token) return pending.principal as Promise<Principal>
    this.counts.tokensRead++
    const { header, claims } = readAccessToken(token, this.#options.expected, this.#nowMs() / 1000)
    const key = this.#options.keyring.key(header.kid, header.alg)
    // Set before the work begins and taken away when it ends, even if it ends at once.
    const begun: Pending = { token, principal: undefined }
    this.#pending.set(tail, begun)
    return (begun.principal = this.#prove(token, tail, claims, key, context))
  }

  async #prove (token: string, tail: string, claims: Claims, found: VerificationKey | Promise<VerificationKey>, context: C): Promise<Principal> {
    try {
      const key = found instanceof Promise ? await found : found
      await this.lane.enter(() => {
        this.counts.signatureChecks++
        return this.#options.checkSignature(token, key, context)
      })
      return this.#keep(token, principalOf(claims), key)
    } finally {
      this.#pending.delete(tail)
    }
  }

  #keep (token: string, principal: Principal, key: VerificationKey): Principal {
    const deadlineMs = (principal.expiresAt + this.#options.expected.clockToleranceSeconds) * 1000
    // Both may have ended while the signature waited for its turn.
    if (!key.alive) throw new InvalidToken('key_unknown', 'withdrawn meanwhile')
    if (this.#nowMs() >= deadlineMs) throw new InvalidToken('expired', 'meanwhile')
    this.cache.set(token, principal, key, deadlineMs)
    return principal
  }
}
