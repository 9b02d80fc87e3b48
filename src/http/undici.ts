import { createRequire } from 'node:module'
import type * as Undici from 'undici'

const load = createRequire(import.meta.url)

/**
 * Loads undici with the first use: it is a third of the start of a Fastify service. Throws when it cannot be loaded (EMFILE); the next
 * call tries again. Node remembers a failed `import()` for the life of the process, a failed `require` it does not.
 */
export function undici (): typeof Undici {
  return load('undici') as typeof Undici
}
