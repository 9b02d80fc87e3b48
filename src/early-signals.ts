/** Those that end a service in order, once it has started. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

const end = (): void => { process.exit(0) }

/**
 * Until then they end the process at once. Nobody else would: the process of a container has the number 1, for which the kernel does
 * nothing where there is no listener.
 */
export function endOnEarlySignals (): void {
  for (const signal of SIGNALS) process.on(signal, end)
}

/** From here on somebody else listens. */
export function leaveSignals (): void {
  for (const signal of SIGNALS) process.off(signal, end)
}
