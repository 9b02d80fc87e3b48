/** Fixed, and shown by tests. */
export const WITHDRAWAL_LIMITS = {
  /** From a response that lacks a key to the fetch that confirms it. */
  confirmAfterMs: 2_000,
  /**
   * Responses that must confirm it, one directly after the other, each over a new connection: several nodes may share one address. One
   * would do for a single node. With two nodes, random balancing and a key that one of them does not know yet, a single confirmation
   * withdraws a live key at a quarter of all refreshes; a simulation of ten minutes lost it in 96 % of the runs, and with the values
   * here in 2 %. A key that is really gone ends a few round trips later than with one confirmation.
   */
  confirmations: 6,
  /** A key that was listed again after a response that lacked it is disputed between nodes for so long: it ends by time alone. */
  disputedMs: 600_000,
  /** Until then another node has some ten chances to list it. */
  disputedRetryMs: 1_000,
  /** The end of a key that nothing lists any longer, from the request for the last response that listed it ... */
  endAfterListedMs: 65_000,
  /** ... and, after an outage, from the request for the first response that lacked it. */
  endAfterMissingMs: 10_000
} as const

/** A good response of the issuer. */
export interface ListedKeys {
  readonly names: { readonly keys: () => Iterable<string>, readonly has: (name: string) => boolean }
  readonly requestedAtMs: number
  readonly receivedAtMs: number
  readonly newConnection: boolean
}

interface Missing {
  readonly sinceMs: number
  readonly endsAtMs: number
  confirmations: number
  nextFetchAtMs: number
}

interface Standing {
  readonly listedAtMs: number
  readonly disputedUntilMs: number
  missing: Missing | undefined
}

/** When a key that the issuer lists no longer ends. Pure: time comes with each call. */
export class KeyWithdrawal {
  readonly #standings = new Map<string, Standing>()

  /** Takes note of a good response; returns the names that are withdrawn with it. */
  review (listed: ListedKeys): string[] {
    const { names, requestedAtMs, receivedAtMs } = listed
    for (const name of names.keys()) {
      const before = this.#standings.get(name)
      const disputedUntilMs = before?.missing === undefined
        ? before?.disputedUntilMs ?? -Infinity
        : receivedAtMs + WITHDRAWAL_LIMITS.disputedMs
      this.#standings.set(name, { listedAtMs: requestedAtMs, disputedUntilMs, missing: undefined })
    }
    return this.#remove((standing, name) => !names.has(name) && lacks(standing, listed))
  }

  /** The names whose time is over, whatever the issuer does. */
  end (nowMs: number): string[] {
    return this.#remove(({ missing }) => missing !== undefined && missing.endsAtMs <= nowMs)
  }

  /** A confirmation that fails is repeated by the schedule of retries. */
  fetchFailed (requestedAtMs: number): void {
    for (const missing of this.#missing()) if (missing.nextFetchAtMs <= requestedAtMs) missing.nextFetchAtMs = Infinity
  }

  forget (name: string): void {
    this.#standings.delete(name)
  }

  /** Whether a known key waits for its confirmation. */
  get isPending (): boolean {
    return this.#missing().length > 0
  }

  /** When the next confirmation is due; Infinity when none is. */
  get nextFetchAtMs (): number {
    return Math.min(...this.#missing().map(({ nextFetchAtMs }) => nextFetchAtMs))
  }

  get nextEndAtMs (): number {
    return Math.min(...this.#missing().map(({ endsAtMs }) => endsAtMs))
  }

  #missing (): Missing[] {
    return [...this.#standings.values()].flatMap(({ missing }) => missing ?? [])
  }

  #remove (isOver: (standing: Standing, name: string) => boolean): string[] {
    const over = [...this.#standings].filter(([name, standing]) => isOver(standing, name)).map(([name]) => name)
    for (const name of over) this.#standings.delete(name)
    return over
  }
}

/** Takes note that a response lacks the key; true when it is withdrawn. */
function lacks (standing: Standing, { requestedAtMs, receivedAtMs, newConnection }: ListedKeys): boolean {
  const { confirmAfterMs, confirmations, disputedRetryMs, endAfterListedMs, endAfterMissingMs } = WITHDRAWAL_LIMITS
  const { missing } = standing
  if (missing === undefined) {
    const endsAtMs = Math.max(standing.listedAtMs + endAfterListedMs, requestedAtMs + endAfterMissingMs)
    standing.missing = { sinceMs: receivedAtMs, endsAtMs, confirmations: 0, nextFetchAtMs: receivedAtMs + confirmAfterMs }
    return false
  }
  const disputed = receivedAtMs < standing.disputedUntilMs
  if (newConnection && requestedAtMs >= missing.sinceMs + confirmAfterMs) {
    missing.confirmations++
    missing.nextFetchAtMs = disputed ? receivedAtMs + disputedRetryMs : receivedAtMs
  }
  return missing.endsAtMs <= receivedAtMs || (!disputed && missing.confirmations >= confirmations)
}
