/** Imported, or preloaded into the service, with --expose-gc: answers `measure` of the parent with what is held after a collection. */
import { setImmediate as turn } from 'node:timers/promises'

process.on('message', async ({ what, id }) => {
  if (what !== 'measure') return
  const { rss } = process.memoryUsage()
  for (let pass = 0; pass < 3; pass++) {
    await turn()
    globalThis.gc()
  }
  const { heapUsed, external } = process.memoryUsage()
  const resources = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  process.send({ id, value: { heapMB: megabytes(heapUsed + external), rssMB: megabytes(rss), resources } })
})

function megabytes (bytes) {
  return Math.round(bytes / 2 ** 20 * 100) / 100
}
