// The hook that loads a TypeScript source. Each is transpiled once for all processes and runs: the output is kept below node_modules/,
// by the hash of what it was made of.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { hashOf, ROOT, toolchain, transpile } from '../transpile.mjs'

const KEPT = join(ROOT, 'node_modules', '.cache', 'scopegate-sources')
const tools = toolchain()

const SETTINGS = {
  rewriteRelativeImportExtensions: false, allowImportingTsExtensions: true, sourceMap: false, inlineSourceMap: true, inlineSources: true
}

function read (file) {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

/** The JavaScript of a source, with its source map inside. Throws what is wrong with its syntax. */
function outputOf (file) {
  const text = readFileSync(file, 'utf8')
  const kept = join(KEPT, `${hashOf(tools, file, text)}.js`)
  const known = read(kept)
  if (known !== undefined) return { kept, outputText: known }
  const { errors, outputText } = transpile(file, text, SETTINGS)
  if (errors.length > 0) throw new SyntaxError(errors.join('\n'))
  mkdirSync(KEPT, { recursive: true })
  // Two processes may write it at one time: a reader sees all of it or nothing.
  const fresh = `${kept}.${process.pid}`
  writeFileSync(fresh, outputText)
  renameSync(fresh, kept)
  return { kept, outputText }
}

/** Transpiles these sources, so that no test has to load the compiler. What is kept of others is deleted. */
export function prepare (files) {
  const wanted = new Set()
  for (const file of files) {
    try {
      wanted.add(basename(outputOf(file).kept))
    } catch (error) {
      // The test that imports it will fail with this.
      process.stderr.write(`${error.message}\n`)
    }
  }
  for (const name of readdirSync(KEPT)) if (!wanted.has(name)) rmSync(join(KEPT, name), { force: true })
}

export function load (url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context)
  return { format: 'module', source: outputOf(fileURLToPath(url)).outputText, shortCircuit: true }
}
