import { createHash, type KeyObject } from 'node:crypto'
import type { Algorithm } from '../algorithms.ts'
import { InvalidProof, InvalidToken, NonceRequired } from '../errors.ts'
import type { Principal } from '../principal.ts'
import type { Evidence } from '../reasons.ts'
import type { Nonces } from './nonces.ts'
import { isSigned, publicKeyOf, thumbprint } from './proof-key.ts'
import { PROOF_RULES } from './proof-rules.ts'
import { decodeProof, type DecodedProof } from './proof-token.ts'
import { nameOfProof, type Replays } from './replays.ts'
import { normalizedTarget, withoutQuery } from './target.ts'

/** What a request sends to prove that it may use its token. */
export interface ProofRequest {
  readonly method: string
  /** Path and query as received. */
  readonly target: string
  /** The values of its DPoP headers. */
  readonly proofs: readonly string[]
}

export interface ProofSettings {
  /** The address of this API as callers see it, without a slash at its end: `htu` is never compared with the Host of a request. */
  readonly publicUrl: string
  readonly replays: Replays
  readonly nonces?: Nonces | undefined
  /** Milliseconds since the epoch. */
  readonly nowMs?: () => number
}

/** `nonce`: what the response must supply, when the proof had one that is no longer the newest (RFC 9449 §8.2). */
export interface Accepted { readonly nonce: string | undefined }

/**
 * The proofs of possession of DPoP (RFC 9449 §4.3, §7): for a token that was verified and is bound to a key. Costs one signature check.
 * A key that fits its token is imported once for the token.
 */
export class ProofCheck {
  readonly #settings: ProofSettings
  readonly #nowMs: () => number
  readonly #keys = new WeakMap<Principal, KeyObject>()

  constructor (settings: ProofSettings) {
    this.#settings = settings
    this.#nowMs = settings.nowMs ?? Date.now
  }

  /** Throws or rejects with a Refusal, unless the request proves that it has the key `jkt` of the token. */
  check (token: string, jkt: string, principal: Principal, request: ProofRequest): Accepted | Promise<Accepted> {
    const evidence = principal.clientId === undefined ? {} : { unverifiedClient: principal.clientId }
    const nowSeconds = this.#nowMs() / 1000
    const proof = this.#read(token, request, nowSeconds, evidence)
    this.#verify(proof, jkt, principal, evidence)
    const nonce = this.#checkNonce(proof, nowSeconds, evidence)
    const first = this.#settings.replays.firstUse(nameOfProof(jkt, proof.claims.jti as string))
    return first instanceof Promise ? first.then((isFirst) => accepted(isFirst, nonce, evidence)) : accepted(first, nonce, evidence)
  }

  #read (token: string, { method, target, proofs }: ProofRequest, nowSeconds: number, evidence: Evidence): DecodedProof {
    const [text] = proofs
    if (text === undefined || text === '') throw new InvalidProof('dpop_missing', undefined, evidence)
    if (proofs.length > 1) throw new InvalidProof('dpop_repeated', `${proofs.length} headers`, evidence)
    const proof = decodeProof(text)
    if (typeof proof === 'string') throw new InvalidProof('dpop_malformed', proof, evidence)
    const expected = {
      method,
      target: target.startsWith('/') ? normalizedTarget(this.#settings.publicUrl + withoutQuery(target)) : undefined,
      tokenHash: createHash('sha256').update(token).digest('base64url'),
      nowSeconds
    }
    for (const { reason, check } of PROOF_RULES) {
      const detail = check(proof, expected)
      if (detail !== undefined) throw new InvalidProof(reason, detail, evidence)
    }
    return proof
  }

  #verify ({ header, input, signature }: DecodedProof, jkt: string, principal: Principal, evidence: Evidence): void {
    const jwk = header.jwk as Readonly<Record<string, unknown>>
    // RFC 9449 §7.1: the binding is the token's, so that the token is what is not valid for this caller.
    if (thumbprint(jwk) !== jkt) throw new InvalidToken('dpop_key_mismatch', undefined, evidence)
    const key = this.#keys.get(principal) ?? publicKeyOf(jwk)
    if (key === undefined) throw new InvalidProof('dpop_key', 'not a key of its kind', evidence)
    this.#keys.set(principal, key)
    if (!isSigned(header.alg as Algorithm, key, input, signature)) throw new InvalidProof('dpop_signature', undefined, evidence)
  }

  #checkNonce ({ claims: { nonce } }: DecodedProof, nowSeconds: number, evidence: Evidence): string | undefined {
    const { nonces } = this.#settings
    if (nonces === undefined) return undefined
    const newest = nonces.newest(nowSeconds)
    if (nonce === undefined) throw new NonceRequired('dpop_nonce_missing', newest, evidence)
    if (!nonces.isValid(nonce as string, nowSeconds)) throw new NonceRequired('dpop_nonce_invalid', newest, evidence)
    return nonce === newest ? undefined : newest
  }
}

function accepted (isFirst: boolean, nonce: string | undefined, evidence: Evidence): Accepted {
  if (!isFirst) throw new InvalidProof('dpop_replayed', undefined, evidence)
  return { nonce }
}
