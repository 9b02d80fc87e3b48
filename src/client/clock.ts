/** A jump of the time of day by less than this is the correction of a clock. */
const CORRECTION_MS = 1000

/**
 * Milliseconds that never go back and go on while the machine sleeps: the monotonic clock stands still then (Linux, macOS), and the
 * time of day may be set back. Whatever has moved further counts; a token then ends too early at worst, never too late.
 */
export function createClock (): () => number {
  let asleepMs = 0
  let apartMs = Date.now() - performance.now()
  return () => {
    const steadyMs = performance.now()
    const gainedMs = Date.now() - steadyMs - apartMs
    if (Math.abs(gainedMs) >= CORRECTION_MS) {
      apartMs += gainedMs
      asleepMs += Math.max(0, gainedMs)
    }
    return steadyMs + asleepMs
  }
}
