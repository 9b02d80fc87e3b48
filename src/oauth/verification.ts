import { readAccessToken, MAX_TOKEN_LENGTH, type Expectations } from './access-token.ts'
import { InvalidToken } from './errors.ts'
import type { VerificationKey } from './key-set.ts'
import type { Keyring } from './keyring.ts'
import { principalOf, type Principal } from './principal.ts'
import { TokenCache } from './token-cache.ts'
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
  readonly #pending = new Map<string, Promise<Principal>>()

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
    if (token.length > MAX_TOKEN_LENGTH) throw new InvalidToken('token_too_large', `${token.length} characters`)
    return this.#pending.get(token) ?? this.#begin(token, context)
  }

  #begin (token: string, context: C): Promise<Principal> {
    this.counts.tokensRead++
    const { header, claims } = readAccessToken(token, this.#options.expected, this.#nowMs() / 1000)
    const key = this.#options.keyring.key(header.kid, header.alg)
    const verified = key instanceof Promise
      ? key.then((learnt) => this.#check(token, learnt, context))
      : this.#check(token, key, context)
    const principal = verified.then((by) => this.#keep(token, principalOf(claims), by)).finally(() => this.#pending.delete(token))
    this.#pending.set(token, principal)
    return principal
  }

  #check (token: string, key: VerificationKey, context: C): Promise<VerificationKey> {
    return this.lane.enter(async () => {
      this.counts.signatureChecks++
      await this.#options.checkSignature(token, key, context)
      return key
    })
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
