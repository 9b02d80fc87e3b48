// Alone: what `start.ts` imports is loaded, and the heap collected, before its first line runs.
import './tick-objects.ts'

import { endOnEarlySignals } from './early-signals.ts'

endOnEarlySignals()
const { startProcess } = await import('./start.ts')
await startProcess()
