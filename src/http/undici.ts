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

/** The class of one file of undici: a quarter of the time and memory of the whole, which takes its place where that file does not exist. */
export function undiciClass<Name extends keyof typeof Undici> (name: Name, file: string): typeof Undici[Name] {
  try {
    return load(`undici/lib/${file}`) as typeof Undici[Name]
  } catch {
    return undici()[name]
  }
}
