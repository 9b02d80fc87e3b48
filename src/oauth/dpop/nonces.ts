import { createHmac, timingSafeEqual } from 'node:crypto'

/** How long a nonce is the newest one. It remains valid for as long again. */
export const NONCE_STEP_SECONDS = 60

/**
 * Nonces of the server (RFC 9449 §9) without a store: the HMAC of a time step, equal at every replica with the same secret. `audience` is
 * part of it, so that a nonce of another API or realm with the same secret is not accepted.
 */
export class Nonces {
  readonly #secrets: readonly string[]
  readonly #audience: string
  #newest: readonly [step: number, nonce: string] | undefined

  /** The first of the secrets makes nonces; all are accepted, for their rotation. */
  constructor (secrets: readonly string[], audience: string) {
    this.#secrets = secrets
    this.#audience = audience
  }

  newest (nowSeconds: number): string {
    const step = Math.floor(nowSeconds / NONCE_STEP_SECONDS)
    if (this.#newest?.[0] !== step) this.#newest = [step, this.#nonce(step, this.#secrets[0] as string)]
    return this.#newest[1]
  }

  /** Of this step, the step before, or the step after (of a replica whose clock is ahead). */
  isValid (nonce: string, nowSeconds: number): boolean {
    if (nonce === this.newest(nowSeconds)) return true
    const step = Math.floor(nowSeconds / NONCE_STEP_SECONDS)
    return [step, step - 1, step + 1].some((one) => this.#secrets.some((secret) => isEqual(nonce, this.#nonce(one, secret))))
  }

  #nonce (step: number, secret: string): string {
    return createHmac('sha256', secret).update(`scopegate DPoP nonce\n${this.#audience}\n${step}`).digest('base64url')
  }
}

function isEqual (given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
