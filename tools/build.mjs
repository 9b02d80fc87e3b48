// Brings dist/ up to date with the sources: writes only files whose content changed, deletes those whose source is gone.
// When nothing changed it writes nothing, so that `node --watch` does not restart a service that is running.
//
//   node tools/build.mjs [--watch]
//
// Types are not checked here (`npm run typecheck`). A source with a syntax error stops the build, and leaves its last output.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..')
const OUT = join(ROOT, 'dist')
const FOLDERS = ['src', 'plugins', 'routes', 'tools']
const MANIFEST = join(OUT, '.build.json')
const SETTLED_MS = 50

const hashOf = (...texts) => createHash('sha256').update(JSON.stringify(texts)).digest('base64url')

/** Paths below the root, with forward slashes. */
const filesIn = (base, folder, end) => existsSync(join(base, folder))
  ? readdirSync(join(base, folder), { recursive: true }).map((file) => `${folder}/${file.split(sep).join('/')}`).filter((file) => end.test(file))
  : []

/** What changes the output of every file. */
const toolchain = () => hashOf(
  ...['tools/build.mjs', 'tsconfig.json', 'package.json', 'node_modules/typescript/package.json'].map((file) => readFileSync(join(ROOT, file), 'utf8'))
)

function readManifest () {
  try {
    return JSON.parse(readFileSync(MANIFEST, 'utf8'))
  } catch {
    return {}
  }
}

/** A reader sees the old file or the new one, never half of one. */
function replace (file, text) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  mkdirSync(dirname(file), { recursive: true })
  const fresh = `${file}.${process.pid}`
  writeFileSync(fresh, text)
  renameSync(fresh, file)
}

const outputOf = (source) => source.replace(/\.ts$/, '.js')

/** The output for one source, or what is wrong with it. One file at a time: `isolatedModules` holds. */
function transpile (ts, source, text) {
  const { rootDir, outDir, ...settings } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')).compilerOptions
  // One file alone cannot know that package.json has "type": "module"; and without `jsx` transpileModule takes `preserve`, unlike tsc.
  const { options } = ts.convertCompilerOptionsFromJson({ ...settings, module: 'esnext', moduleResolution: 'bundler', jsx: 'react-jsx' }, ROOT)
  const { outputText, sourceMapText, diagnostics } = ts.transpileModule(text, {
    fileName: source, compilerOptions: options, reportDiagnostics: true
  })
  const errors = diagnostics.map(({ file, start = 0, messageText }) => {
    const { line, character } = file?.getLineAndCharacterOfPosition(start) ?? { line: 0, character: 0 }
    return `${source}:${line + 1}:${character + 1} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  const map = { ...JSON.parse(sourceMapText), sources: ['../'.repeat(source.split('/').length) + source] }
  return { errors, outputText, map: JSON.stringify(map) }
}

/** Resolves to the errors, one line each. */
async function build () {
  const sources = FOLDERS.flatMap((folder) => filesIn(ROOT, folder, /\.ts$/))
  const before = readManifest()
  const after = {}
  const tool = toolchain()
  const errors = []
  for (const source of sources) {
    const text = readFileSync(join(ROOT, source), 'utf8')
    const output = join(OUT, outputOf(source))
    const made = () => hashOf(tool, text, existsSync(output) ? readFileSync(output, 'utf8') : '')
    if (before[source] !== made()) {
      const { default: ts } = await import('typescript')
      const transpiled = transpile(ts, source, text)
      errors.push(...transpiled.errors)
      if (transpiled.errors.length > 0) continue
      replace(`${output}.map`, transpiled.map)
      replace(output, transpiled.outputText)
    }
    after[source] = made()
  }
  removeOrphans(new Set(sources.map(outputOf)))
  replace(MANIFEST, JSON.stringify(after))
  return errors
}

function removeOrphans (wanted) {
  for (const file of FOLDERS.flatMap((folder) => filesIn(OUT, folder, /\.js(\.map)?$/))) {
    if (!wanted.has(file.replace(/\.map$/, ''))) rmSync(join(OUT, file), { force: true })
  }
}

async function buildAndReport () {
  const errors = await build()
  for (const error of errors) process.stderr.write(`${error}\n`)
  return errors.length === 0
}

/** Builds one at a time; a change during a build starts another one after it. */
function watchSources () {
  let timer
  let building = Promise.resolve()
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => { building = building.then(buildAndReport) }, SETTLED_MS)
  }
  for (const folder of FOLDERS) watch(join(ROOT, folder), { recursive: true }, soon)
}

if (process.argv.includes('--watch')) watchSources()
if (!await buildAndReport() && !process.argv.includes('--watch')) process.exitCode = 1
