import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Test } from 'tap'

setFlagsFromString('--expose-gc')
/** Collects garbage now. */
export const collect = runInNewContext('gc') as () => void

/** Collects garbage all the time until the test ends: what only a weak reference holds is lost at once. */
export function collectAlways (t: Test): void {
  const timer = setInterval(collect, 250)
  t.teardown(() => clearInterval(timer))
}
