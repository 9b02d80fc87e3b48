// Alone: what `start.ts` imports is loaded, and the heap collected, before its first line runs.
import './tick-objects.ts'

const { startProcess } = await import('./start.ts')
await startProcess()
