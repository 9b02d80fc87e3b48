import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** For a program of the sources, started by a test in a folder of its own: lets it import TypeScript, and counts its coverage. */
export const NODE_ARGUMENTS: readonly string[] = process.execArgv.map((argument) => (
  argument.replace(/^--import=(?=\.)(.*)$/, (_all, path: string) => `--import=${pathToFileURL(resolve(path)).href}`)
))
