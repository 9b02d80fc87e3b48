import { readFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { dirname, join, normalize, sep } from 'node:path'

/** Static imports, re-exports and dynamic imports with a literal, as tsc writes them. */
const IMPORT = /(?:^|[\s;}])(?:import|export)\s*(?:[\w*{}$\s,'"]+?\sfrom\s*)?['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm
const BUILT_IN = new Set(builtinModules)

/**
 * What a set of entry files reaches: the files of this package (relative to `root`) and the packages that they import by name.
 * With `declarations` it follows the `.d.ts` beside each file as well, whose imports a consumer's compiler follows.
 */
export async function reach (root, entries) {
  const files = new Set()
  const packages = new Set()
  const typePackages = new Set()
  const pending = entries.map((entry) => normalize(entry))
  for (let file = pending.pop(); file !== undefined; file = pending.pop()) {
    if (files.has(file)) continue
    files.add(file)
    for (const name of importsOf(await readFile(join(root, file), 'utf8'))) {
      if (name.startsWith('.')) pending.push(resolved(file, name))
      else if (!isBuiltIn(name)) (file.endsWith('.d.ts') ? typePackages : packages).add(packageOf(name))
    }
    if (file.endsWith('.js')) pending.push(file.replace(/\.js$/, '.d.ts'))
  }
  return { files: [...files].sort(), packages: [...packages].sort(), typePackages: [...typePackages].sort() }
}

function importsOf (text) {
  return [...withoutComments(text).matchAll(IMPORT)].map(([, plain, dynamic]) => plain ?? dynamic)
}

function withoutComments (text) {
  return text.replace(/\/\*[^]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}

/** A declaration's import of `./x.ts` or `./x.js` means the declaration beside it. */
function resolved (file, name) {
  const target = normalize(join(dirname(file), name)).split(sep).join('/')
  return file.endsWith('.d.ts') ? target.replace(/(?<!\.d)\.(?:ts|js)$/, '.d.ts') : target
}

function packageOf (name) {
  return name.split('/').slice(0, name.startsWith('@') ? 2 : 1).join('/')
}

function isBuiltIn (name) {
  return name.startsWith('node:') || BUILT_IN.has(packageOf(name))
}
