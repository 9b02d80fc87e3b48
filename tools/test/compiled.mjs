import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Where the JavaScript of the tests and of the sources is. */
export const COMPILED = join(fileURLToPath(import.meta.url), '..', '..', '..', '.tests')
