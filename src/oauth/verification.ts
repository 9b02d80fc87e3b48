import { evidenceOf, readAccessToken } from './access-token.ts'
import type { Scheme } from './credentials.ts'
import { InvalidToken, Unavailable } from './errors.ts'
import type { Caller } from './fair-lines.ts'
import type { Standing } from './fair-shares.ts'
import type { VerificationKey } from './key-set.ts'
import { KnownCallers } from './known-callers.ts'
import { principalOf, type Claims, type Principal } from './principal.ts'
import { bearer, type Proof } from './proof.ts'
import { textOf, TokenCache } from './token-cache.ts'
import { numberOf } from './token-index.ts'
import type { TrustedIssuer, TrustedIssuers } from './trusted-issuers.ts'
import { unverifiedClientOf } from './unverified-client.ts'
import { VerificationQueue } from './verification-queue.ts'

/** Checks signature and claims of one token with the key that it was created for; throws InvalidToken. */
export type Verifier = (token: string) => void

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

/** A token that was read: its issuer is one of ours, nothing else is proven. */
interface Unproven {
  readonly token: string
  readonly text: string | undefined
  readonly claims: Claims
  readonly issuer: TrustedIssuer
  readonly caller: Caller
}

/** What a check is made with. */
type Means = readonly [VerificationKey, Verifier]

/** A token whose check waits: for its key, or for its turn. */
interface Pending<C> {
  readonly token: string
  /** The requests that present it. */
  readonly contexts: C[]
  principal: Promise<Principal> | undefined
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
  readonly #pending = new Map<number, Pending<C>>()
  readonly #callers: KnownCallers

  constructor (options: VerificationOptions<C>) {
    this.#options = options
    this.#proof = options.proof ?? bearer
    this.#nowMs = options.nowMs ?? Date.now
    this.#callers = new KnownCallers(this.#nowMs)
    this.cache = new TokenCache(options.cacheBytes, this.#nowMs)
  }

  /**
   * The caller that presents a token which was verified before and is still valid: the hot path, on which nothing is decoded. `text`:
   * `Bearer`, one space and the token, whatever the scheme.
   */
  recall (text: string, context: C, scheme: Scheme = 'bearer'): Principal | Promise<Principal> | undefined {
    const principal = this.cache.get(text, this.#nowMs())
    if (principal === undefined) return undefined
    this.counts.cacheHits++
    return this.#proof(principal, context, scheme, text)
  }

  /**
   * The caller that presents a token which `recall` does not know, at once unless the check has to wait for its key or its turn; `text` as
   * there, where it is at hand. Throws or rejects with a Refusal.
   */
  verify (token: string, context: C, scheme: Scheme = 'bearer', text?: string): Principal | Promise<Principal> {
    const verified = this.#verified(token, context, text)
    const prove = (principal: Principal): Principal | Promise<Principal> => this.#proof(principal, context, scheme, text ?? textOf(token))
    return verified instanceof Promise ? verified.then(prove) : prove(verified)
  }

  /** Who presents a token that waits to be read, by the cache or by what the token says of itself. To be asked once for a request. */
  presented (token: string, address: string): Presented {
    const principal = this.cache.get(textOf(token), this.#nowMs())
    const caller = { address, client: principal === undefined ? unverifiedClientOf(token) : clientOf(principal.claims) }
    return { caller, standing: principal === undefined ? this.#callers.arrive(caller, numberOf(token)) : 'known' }
  }

  /** A token that this caller has presented was refused before it was read, since too much waits. */
  turnAway (caller: Caller): void {
    this.#callers.turnAway(caller)
  }

  #verified (token: string, context: C, text: string | undefined): Principal | Promise<Principal> {
    const pending = this.#pending.size === 0 ? undefined : this.#pending.get(numberOf(token))
    if (pending?.token === token) {
      pending.contexts.push(context)
      return pending.principal as Promise<Principal>
    }
    this.counts.tokensRead++
    const { issuers, addressOf, hasLeft, verifierOf } = this.#options
    const { header, claims } = readAccessToken(token, issuers, this.#nowMs() / 1000)
    const issuer = issuers.of(claims.iss) as TrustedIssuer
    const unproven: Unproven = { token, text, claims, issuer, caller: { address: addressOf(context), client: clientOf(claims) } }
    try {
      const key = issuer.keyring.key(header.kid, header.alg)
      if (key instanceof Promise) {
        return this.#later(unproven, context, key.then(async (fetched) => [fetched, await verifierOf(fetched, issuer)]))
      }
      const verifier = verifierOf(key, issuer)
      if (verifier instanceof Promise) return this.#later(unproven, context, verifier.then((prepared) => [key, prepared]))
      if (!this.queue.isFree || hasLeft(context)) return this.#later(unproven, context, [key, verifier])
      this.queue.spend(() => { this.#check(token, verifier) })
      return this.#keep(unproven, key)
    } catch (error) {
      throw this.#refusal(error, unproven)
    }
  }

  /** However many requests present the token meanwhile, they wait for one check. */
  #later (unproven: Unproven, context: C, means: Means | Promise<Means>): Promise<Principal> {
    const pending: Pending<C> = { token: unproven.token, contexts: [context], principal: undefined }
    this.#pending.set(numberOf(unproven.token), pending)
    return (pending.principal = this.#checkLater(unproven, pending.contexts, means))
  }

  async #checkLater (unproven: Unproven, contexts: C[], means: Means | Promise<Means>): Promise<Principal> {
    const { token, caller } = unproven
    const arrive = (): Standing => this.#callers.arrive(caller, numberOf(token))
    const standing = (): Standing => this.#callers.standingOf(caller)
    const isAbandoned = (): boolean => contexts.every(this.#options.hasLeft)
    try {
      const [key, verifier] = means instanceof Promise ? await means : means
      await this.queue.enter({ caller, arrive, standing, isAbandoned, run: () => { this.#check(token, verifier) } })
      return this.#keep(unproven, key)
    } catch (error) {
      throw this.#refusal(error, unproven)
    } finally {
      this.#pending.delete(numberOf(token))
      // V8 keeps what a Map once held until it collects the whole heap: it must not be whole requests.
      contexts.length = 0
    }
  }

  #check (token: string, verifier: Verifier): void {
    this.counts.signatureChecks++
    verifier(token)
  }

  #keep ({ token, text, claims, issuer, caller }: Unproven, key: VerificationKey): Principal {
    const principal = principalOf(claims, issuer)
    const deadlineMs = (principal.expiresAt + issuer.clockToleranceSeconds) * 1000
    // Both may have ended while the signature waited for its turn.
    if (!key.alive) throw new InvalidToken('key_unknown', 'withdrawn meanwhile')
    if (this.#nowMs() >= deadlineMs) throw new InvalidToken('expired', 'meanwhile')
    this.cache.set({ token, text, claims }, principal, key, deadlineMs)
    if (this.#callers.standingOf(caller) !== 'known') this.queue.promote(caller)
    this.#callers.add(caller, deadlineMs)
    return principal
  }

  /** By key or signature, it says what the token says of its client, as a refusal by the reader does. */
  #refusal (error: unknown, { claims, issuer, caller }: Unproven): unknown {
    if (!(error instanceof InvalidToken)) {
      if (error instanceof Unavailable && error.reason === 'overloaded') this.#callers.turnAway(caller)
      return error
    }
    if (error.reason === 'signature_invalid') this.#callers.suspect(caller)
    return error.about(evidenceOf(claims, issuer))
  }
}

function clientOf ({ azp, client_id: clientId }: Claims): string {
  return azp ?? clientId ?? ''
}
