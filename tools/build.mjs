// Brings dist/ up to date with the sources: writes only files whose content changed, deletes those whose source is gone.
// When nothing changed it writes nothing, so that `node --watch` does not restart a service that is running.
//
//   node tools/build.mjs [--watch]
//
// Types are not checked here (`npm run typecheck`). A source with a syntax error stops the build, and leaves its last output.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, watch, writeFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { hashOf, ROOT, toolchain, transpile } from './transpile.mjs'

const OUT = join(ROOT, 'dist')
const FOLDERS = ['src', 'plugins', 'routes', 'tools']
const MANIFEST = join(OUT, '.build.json')
const SETTLED_MS = 50

/** Paths below the root, with forward slashes. */
const filesIn = (base, folder, end) => existsSync(join(base, folder))
  ? readdirSync(join(base, folder), { recursive: true }).map((file) => `${folder}/${file.split(sep).join('/')}`).filter((file) => end.test(file))
  : []

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

/** Returns the errors, one line each. */
function build () {
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
      const { errors: found, outputText, sourceMapText } = transpile(source, text)
      errors.push(...found)
      if (found.length > 0) continue
      replace(`${output}.map`, JSON.stringify({ ...JSON.parse(sourceMapText), sources: ['../'.repeat(source.split('/').length) + source] }))
      replace(output, outputText)
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

function buildAndReport () {
  const errors = build()
  for (const error of errors) process.stderr.write(`${error}\n`)
  return errors.length === 0
}

/** Builds once the changes have settled. */
function watchSources () {
  let timer
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(buildAndReport, SETTLED_MS)
  }
  for (const folder of FOLDERS) watch(join(ROOT, folder), { recursive: true }, soon)
}

if (process.argv.includes('--watch')) watchSources()
if (!buildAndReport() && !process.argv.includes('--watch')) process.exitCode = 1
