import { hash, type KeyObject } from 'node:crypto'
import type { Algorithm } from '../algorithms.ts'
import { InvalidProof, InvalidToken, NonceRequired } from '../errors.ts'
import type { Principal } from '../principal.ts'
import type { Evidence } from '../reasons.ts'
import type { Nonces } from './nonces.ts'
import { isOfSmallOrder, isSigned, publicKeyOf, thumbprint, type Jwk } from './proof-key.ts'
import { PROOF_RULES } from './proof-rules.ts'
import { decodeProof, type DecodedProof, type KnownHeader } from './proof-token.ts'
import { nameOfProof, type Replays } from './replays.ts'
import { targetsOf } from './target.ts'

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

/** What a proof is read for. */
interface Expected {
  readonly shown: Shown | undefined
  readonly tokenHash: string
  readonly nowSeconds: number
  readonly evidence: Evidence
}

/** `nonce`: what the response must supply, when the proof had one that is no longer the newest (RFC 9449 §8.2). */
export interface Accepted { readonly nonce: string | undefined }

/** What the latest proof with a good signature has shown of its token: its header has the key that the token is bound to. */
interface Shown extends KnownHeader {
  readonly key: KeyObject
  /** SHA-256 of the token, base64url. */
  readonly tokenHash: string
}

/**
 * The proofs of possession of DPoP (RFC 9449 §4.3, §7): for a token that was verified and is bound to a key. Costs one signature check.
 * Token and key are hashed, and the key imported, once for a token, as long as its proofs have the same header.
 */
export class ProofCheck {
  readonly #settings: ProofSettings
  readonly #nowMs: () => number
  readonly #shown = new WeakMap<Principal, Shown>()

  constructor (settings: ProofSettings) {
    this.#settings = settings
    this.#nowMs = settings.nowMs ?? Date.now
  }

  /** Throws or rejects with a Refusal, unless the request proves that it has the key `jkt` of the token. */
  check (token: string, jkt: string, principal: Principal, request: ProofRequest): Accepted | Promise<Accepted> {
    const evidence = principal.clientId === undefined ? {} : { unverifiedClient: principal.clientId }
    const nowSeconds = this.#nowMs() / 1000
    const shown = this.#shown.get(principal)
    const tokenHash = shown?.tokenHash ?? hash('sha256', token, 'base64url')
    const proof = this.#read(request, { shown, tokenHash, nowSeconds, evidence })
    const key = verifiedKey(proof, jkt, shown, evidence)
    if (key !== shown?.key) this.#shown.set(principal, { head: proof.head, header: proof.header, key, tokenHash })
    const nonce = this.#checkNonce(proof, nowSeconds, evidence)
    const first = this.#settings.replays.firstUse(nameOfProof(jkt, proof.claims.jti as string))
    return first instanceof Promise ? first.then((isFirst) => accepted(isFirst, nonce, evidence)) : accepted(first, nonce, evidence)
  }

  #read ({ method, target, proofs }: ProofRequest, { shown, tokenHash, nowSeconds, evidence }: Expected): DecodedProof {
    const [text] = proofs
    if (proofs.length > 1) throw new InvalidProof('dpop_repeated', `${proofs.length} headers`, evidence)
    if (text === undefined || text === '') throw new InvalidProof('dpop_missing', undefined, evidence)
    const proof = decodeProof(text, shown)
    if (typeof proof === 'string') throw new InvalidProof('dpop_malformed', proof, evidence)
    const expected = {
      method,
      targets: targetsOf(target, this.#settings.publicUrl),
      tokenHash,
      nowSeconds
    }
    for (const { reason, check } of PROOF_RULES) {
      const detail = check(proof, expected)
      if (detail !== undefined) throw new InvalidProof(reason, detail, evidence)
    }
    return proof
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

/** The key that has signed the proof, which is the one of the token: of the header that is known, or of this one. */
function verifiedKey ({ header, input, signature }: DecodedProof, jkt: string, shown: Shown | undefined, evidence: Evidence): KeyObject {
  const key = header === shown?.header ? shown.key : boundKey(header.jwk as Jwk, jkt, evidence)
  if (!isSigned(header.alg as Algorithm, key, input, signature)) throw new InvalidProof('dpop_signature', undefined, evidence)
  return key
}

function boundKey (jwk: Jwk, jkt: string, evidence: Evidence): KeyObject {
  // RFC 9449 §7.1: the binding is the token's, so that the token is what is not valid for this caller.
  if (thumbprint(jwk) !== jkt) throw new InvalidToken('dpop_key_mismatch', undefined, evidence)
  const key = publicKeyOf(jwk)
  if (isOfSmallOrder(jwk)) throw new InvalidProof('dpop_key', 'x, a point of small order, for which anybody can sign', evidence)
  if (key === undefined) throw new InvalidProof('dpop_key', 'not a key of its kind', evidence)
  return key
}

function accepted (isFirst: boolean, nonce: string | undefined, evidence: Evidence): Accepted {
  if (!isFirst) throw new InvalidProof('dpop_replayed', undefined, evidence)
  return { nonce }
}
