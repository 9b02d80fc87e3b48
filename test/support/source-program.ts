import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

const byHook = process.execArgv.some((argument) => argument.endsWith('/tools/test/sources.mjs'))

/** The arguments of Node for a program of the sources, which a test starts in a folder of its own: compiled, or as this test was loaded. */
export function sourceProgram (source: string): readonly string[] {
  if (!byHook) return [resolve('.tests', source.replace(/\.ts$/, '.js'))]
  const hooks = process.execArgv.map((argument) => (
    argument.replace(/^--import=(?=\.)(.*)$/, (_all, path: string) => `--import=${pathToFileURL(resolve(path)).href}`)
  ))
  return [...hooks, resolve(source)]
}
