import { evidenceOf, readAccessToken, type AccessToken } from './access-token.ts'
import type { Scheme } from './credentials.ts'
import { InvalidToken } from './errors.ts'
import type { Caller } from './fair-lines.ts'
import type { Standing } from './fair-shares.ts'
import type { VerificationKey } from './key-set.ts'
import { KnownCallers } from './known-callers.ts'
import { principalOf, type Claims, type Principal } from './principal.ts'
import { bearer, type Proof } from './proof.ts'
import { TokenCache } from './token-cache.ts'
import type { TrustedIssuer, TrustedIssuers } from './trusted-issuers.ts'
import { unverifiedClientOf } from './unverified-client.ts'
import { VerificationQueue } from './verification-queue.ts'

/** Checks signature and claims of one token with the key that it was created for; throws or rejects with InvalidToken. */
export type Verifier = (token: string) => void | Promise<void>

export interface VerificationOptions<C> {
  readonly issuers: TrustedIssuers
  readonly cacheBytes: number
  /** The verifier for a key of an issuer; ready at once but for the first use of a key. */
  readonly verifierOf: (key: VerificationKey, issuer: TrustedIssuer) => Verifier | Promise<Verifier>
  /** The address of a request, by which the queue is fair: of the caller, not of a gateway that is trusted to name it. */
  readonly addressOf: (context: C) => string
  /** Whether the caller has closed its connection: nobody is there to hear the outcome. */
  readonly hasLeft: (context: C) => boolean
  /** What a request must prove beside its token; bearer by default: nothing. */
  readonly proof?: Proof<C>
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number
}

interface Pending<C> {
  readonly token: string
  readonly text: string | undefined
  /** The requests that present it and wait. */
  readonly contexts: C[]
  principal: Promise<Principal> | undefined
}

/** A token that was read: its issuer is one of ours, nothing else is proven. */
interface Unproven<C> extends Pending<C> {
  readonly tail: string
  readonly claims: Claims
  readonly issuer: TrustedIssuer
}

/** A caller, as far as it can be seen before its token is verified. */
export interface Presented {
  readonly caller: Caller
  /** Known also where the token is in the cache. */
  readonly standing: Standing
}

/**
 * Token → principal: cache, reader, key, signature queue, cache; then the proof of the request. A cached token costs one look-up and
 * nothing is decoded; only verified tokens enter the cache, and one token is verified once however many requests present it at a time.
 */
export class Verification<C> {
  readonly cache: TokenCache
  readonly queue = new VerificationQueue()
  /** What was done so far. */
  readonly counts = { cacheHits: 0, tokensRead: 0, signatureChecks: 0 }
  readonly #options: VerificationOptions<C>
  readonly #proof: Proof<C>
  readonly #nowMs: () => number
  readonly #pending = new Map<string, Pending<C>>()
  readonly #callers: KnownCallers

  constructor (options: VerificationOptions<C>) {
    this.#options = options
    this.#proof = options.proof ?? bearer
    this.#nowMs = options.nowMs ?? Date.now
    this.#callers = new KnownCallers(this.#nowMs)
    this.cache = new TokenCache(options.cacheBytes, this.#nowMs)
  }

  /**
   * The caller that presents a token which was verified before and is still valid: the hot path, on which nothing is decoded. `text`: the
   * whole header, where it is `Bearer`, one space and the token.
   */
  recall (token: string, context: C, scheme: Scheme = 'bearer', text?: string): Principal | Promise<Principal> | undefined {
    const principal = this.cache.get(token, this.#nowMs(), text)
    if (principal === undefined) return undefined
    this.counts.cacheHits++
    return this.#proof(principal, context, scheme, token)
  }

  /** The caller that presents a token which `recall` does not know; `text` as there. Throws or rejects with a Refusal. */
  verify (token: string, context: C, scheme: Scheme = 'bearer', text?: string): Promise<Principal> {
    return this.#verified(token, context, text).then((principal) => this.#proof(principal, context, scheme, token))
  }

  /** Who presents a token that waits to be read: by the cache, or by what the token says of itself. */
  presented (token: string, address: string): Presented {
    const principal = this.cache.get(token, this.#nowMs())
    const caller = { address, client: principal === undefined ? unverifiedClientOf(token) : clientOf(principal.claims) }
    return { caller, standing: principal === undefined ? this.#callers.standingOf(caller) : 'known' }
  }

  #verified (token: string, context: C, text: string | undefined): Promise<Principal> {
    const tail = tailOf(token)
    const pending = this.#pending.get(tail)
    if (pending?.token === token) {
      pending.contexts.push(context)
      return pending.principal as Promise<Principal>
    }
    this.counts.tokensRead++
    const { issuers } = this.#options
    const { header, claims } = readAccessToken(token, issuers, this.#nowMs() / 1000)
    const issuer = issuers.of(claims.iss) as TrustedIssuer
    const key = keyOf(header, claims, issuer)
    // Set before the work begins and removed when it ends, even if it ends at once.
    const begun: Unproven<C> = { token, text, contexts: [context], principal: undefined, tail, claims, issuer }
    this.#pending.set(tail, begun)
    return (begun.principal = this.#check(begun, key))
  }

  async #check (unproven: Unproven<C>, found: VerificationKey | Promise<VerificationKey>): Promise<Principal> {
    const { token, tail, claims, contexts, issuer } = unproven
    const caller = { address: this.#options.addressOf(contexts[0] as C), client: clientOf(claims) }
    try {
      const key = found instanceof Promise ? await found : found
      const prepared = this.#options.verifierOf(key, issuer)
      const verifier = prepared instanceof Promise ? await prepared : prepared
      await this.queue.enter({
        caller,
        standing: () => this.#callers.standingOf(caller),
        isAbandoned: () => contexts.every(this.#options.hasLeft),
        run: () => {
          this.counts.signatureChecks++
          return verifier(token)
        }
      })
      return this.#keep(unproven, key, caller)
    } catch (error) {
      if (error instanceof InvalidToken && error.reason === 'signature_invalid') this.#callers.suspect(caller)
      throw withEvidence(error, unproven)
    } finally {
      this.#pending.delete(tail)
    }
  }

  #keep ({ token, text, claims, issuer }: Unproven<C>, key: VerificationKey, caller: Caller): Principal {
    const principal = principalOf(claims, issuer)
    const deadlineMs = (principal.expiresAt + issuer.clockToleranceSeconds) * 1000
    // Both may have ended while the signature waited for its turn.
    if (!key.alive) throw new InvalidToken('key_unknown', 'withdrawn meanwhile')
    if (this.#nowMs() >= deadlineMs) throw new InvalidToken('expired', 'meanwhile')
    this.cache.set({ token, text }, principal, key, deadlineMs)
    if (this.#callers.standingOf(caller) !== 'known') this.queue.promote(caller)
    this.#callers.add(caller, deadlineMs)
    return principal
  }
}

/** 43 characters of base64url are 256 bits of the signature, and faster to hash than the whole token. */
function tailOf (token: string): string {
  return token.slice(-43)
}

function clientOf ({ azp, client_id: clientId }: Claims): string {
  return azp ?? clientId ?? ''
}

function keyOf ({ kid, alg }: AccessToken['header'], claims: Claims, issuer: TrustedIssuer): VerificationKey | Promise<VerificationKey> {
  try {
    return issuer.keyring.key(kid, alg)
  } catch (error) {
    throw withEvidence(error, { claims, issuer })
  }
}

/** A refusal by key or signature says what the token says of its client, as a refusal by the reader does. */
function withEvidence (error: unknown, { claims, issuer }: Pick<Unproven<unknown>, 'claims' | 'issuer'>): unknown {
  return error instanceof InvalidToken ? error.about(evidenceOf(claims, issuer)) : error
}
