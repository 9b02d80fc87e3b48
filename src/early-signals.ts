/** Those that end a service in order, once it has started. */
const SIGNALS = ['SIGTERM', 'SIGINT'] as const

const end = (): void => { process.exit(0) }

/**
 * Until then they end the process at once. In a container it is process 1, and the kernel ignores signals to that one unless it listens.
 */
export function endOnEarlySignals (): void {
  for (const signal of SIGNALS) process.on(signal, end)
}

/** For `closeOnSignal`, which listens from here on. */
export function leaveSignals (): void {
  for (const signal of SIGNALS) process.off(signal, end)
}
