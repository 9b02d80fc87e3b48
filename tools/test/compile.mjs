// Before `npm test`: every source that a test may import is JavaScript in .tests/, so that no process has to load a compiler or a hook for
// TypeScript. A thread of hooks in each process took a third of the time of the tests on Node 20.
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { bringUpToDate } from '../output.mjs'
import { ROOT, transpile } from '../transpile.mjs'
import { COMPILED } from './compiled.mjs'

const FOLDERS = ['src', 'plugins', 'routes', 'tools', 'test', 'bench', 'examples']

/** The output believes to be the source: what lies beside the source is found, and a stack shows the source. */
function compile (source, text) {
  const { errors, outputText, sourceMapText } = transpile(join(ROOT, source), text)
  if (errors.length > 0) return { errors, files: {} }
  const url = pathToFileURL(join(ROOT, source)).href
  const map = Buffer.from(JSON.stringify({ ...JSON.parse(sourceMapText), sources: [url], sourcesContent: [text] })).toString('base64')
  const place = text.includes('import.meta')
    ? `import.meta.url = ${JSON.stringify(url)};import.meta.dirname = ${JSON.stringify(join(ROOT, source, '..'))};`
    : ''
  const code = outputText.replace(/\/\/# sourceMappingURL=.*\s*$/, `//# sourceMappingURL=data:application/json;base64,${map}\n`)
  return { errors, files: { '': place + code } }
}

/** A source with an error keeps its last output, and is reported: types are not checked here. */
export function compileTests () {
  const errors = bringUpToDate({ out: COMPILED, folders: FOLDERS, compile })
  for (const error of errors) process.stderr.write(`${error}\n`)
  return errors.length === 0
}
