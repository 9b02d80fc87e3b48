/** Time as the keyring sees it; tests hand in another. */
export interface Clock {
  /** Milliseconds that never go back. */
  readonly nowMs: () => number
  /** Calls once, later. What it returns cancels it. Does not keep the process alive. */
  readonly after: (delayMs: number, call: () => void) => () => void
  /** From 0 up to 1. */
  readonly random: () => number
}

export const SYSTEM_CLOCK: Clock = {
  nowMs: () => performance.now(),
  after (delayMs, call) {
    const timer = setTimeout(call, delayMs).unref()
    return () => clearTimeout(timer)
  },
  random: () => Math.random()
}
