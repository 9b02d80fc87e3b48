/** Fixed, and each one shown by a test. */
export const OVERLOAD = {
  /** Requests before the event loop has its turn: a server accepts one connection in a turn, and a probe must not wait for a crowd. */
  perTurnMs: 2,
  /** As long as the turn took to read requests, up to this: otherwise more would come in than goes out, and wait in memory. */
  mostPerTurnMs: 20,
  /** So many turns in a row serve nothing that waits while each of them has accepted a connection: more may wait to be accepted. */
  acceptingTurns: 8,
  /** A request that has waited longer is refused, once the queue was not empty for so long and so many turns: a burst is not overload. */
  waitMs: 150,
  crowdedMs: 500,
  turns: 10,
  /** As many as this are no burst of a few callers: it is overload once the queue was not empty for half of that time. */
  crowd: 1_000,
  /** Waiting at one time, whatever they waited for. */
  waiting: 10_000,
  retryAfterSeconds: 1,
  /** Without a refused request: then the overload is over. */
  quietMs: 1_000
} as const
export type OverloadLimits = { readonly [name in keyof typeof OVERLOAD]: number }
