import type { Expectations, ExpectationsByIssuer } from './access-token.ts'
import type { Unavailable } from './errors.ts'
import type { Keyring } from './keyring.ts'

/** One issuer whose tokens are accepted: what they must contain, how its services prove to be services, and its own keys. */
export interface TrustedIssuer extends Expectations {
  /** A claim that proves a service (compared exactly), or undefined. */
  readonly serviceClaim: { readonly name: string, readonly value: string } | undefined
  readonly keyring: Pick<Keyring, 'key' | 'refusalWithoutKeys'>
}

/**
 * The issuers of the configuration, by their exact `iss`. A token chooses one of them by name and nothing else: audience, algorithms,
 * keys and addresses are those that were configured for this name (RFC 9068 §4: the issuer must match exactly).
 */
export class TrustedIssuers<I extends TrustedIssuer = TrustedIssuer> implements ExpectationsByIssuer {
  readonly all: readonly I[]
  /** Of all of them, the largest: the length of a token is checked before its issuer is known. */
  readonly maxTokenBytes: number
  readonly #byName: ReadonlyMap<unknown, I>
  readonly #forStrangers: Expectations

  /** Throws when the list is empty or contains an issuer twice. */
  constructor (issuers: readonly I[]) {
    const [first] = issuers
    if (first === undefined) throw new Error('the list of trusted issuers is empty')
    this.all = issuers
    this.#byName = new Map(issuers.map((one) => [one.issuer, one]))
    if (this.#byName.size < issuers.length) throw new Error('the list of trusted issuers contains an issuer twice')
    this.maxTokenBytes = Math.max(...issuers.map(({ maxTokenBytes }) => maxTokenBytes))
    this.#forStrangers = { ...first, algorithms: [...new Set(issuers.flatMap(({ algorithms }) => algorithms))] }
  }

  /** The issuer with exactly this `iss`, of whatever type the claim is. */
  of (iss: unknown): I | undefined {
    return this.#byName.get(iss)
  }

  /** What a token with this `iss` must contain. A stranger's token is read by rules that end with `issuer_mismatch` at the latest. */
  expectationsOf (iss: unknown): Expectations {
    return this.#byName.get(iss) ?? this.#forStrangers
  }

  /** The refusal of every token while none of the issuers has keys: that of the issuer whose keys are fetched soonest. */
  refusalWithoutKeys (): Unavailable | undefined {
    const refusals: Unavailable[] = []
    for (const { keyring } of this.all) {
      const refusal = keyring.refusalWithoutKeys()
      if (refusal === undefined) return undefined
      refusals.push(refusal)
    }
    return refusals.sort((a, b) => a.retryAfterSeconds - b.retryAfterSeconds)[0]
  }
}
