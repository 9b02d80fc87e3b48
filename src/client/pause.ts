/** Waits, and rejects with the reason of the first signal that is aborted. The timer ends with the wait. */
export function pause (ms: number, ...signals: ReadonlyArray<AbortSignal | undefined>): Promise<void> {
  return new Promise((resolve, reject) => {
    const stops = signals.filter((signal) => signal !== undefined).map((signal) => {
      const stop = (): void => { end(); reject(signal.reason as Error) }
      signal.addEventListener('abort', stop, { once: true })
      return () => { signal.removeEventListener('abort', stop) }
    })
    const timer = setTimeout(() => { end(); resolve() }, ms)
    function end (): void {
      clearTimeout(timer)
      for (const remove of stops) remove()
    }
    if (signals.some((signal) => signal?.aborted)) { end(); reject(signals.find((signal) => signal?.aborted)?.reason as Error) }
  })
}
