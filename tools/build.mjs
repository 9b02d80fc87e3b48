// Brings dist/ up to date with the sources. When nothing changed it writes nothing, so that `node --watch` does not restart a service that
// is running.
//
//   node tools/build.mjs [--watch]
//
// Types are not checked here (`npm run typecheck`). A source with a syntax error stops the build, and leaves its last output.
import { watch } from 'node:fs'
import { join } from 'node:path'
import { bringUpToDate } from './output.mjs'
import { ROOT, transpile } from './transpile.mjs'

const FOLDERS = ['src', 'plugins', 'routes', 'tools']
const SETTLED_MS = 50

function compile (source, text) {
  const { errors, outputText, sourceMapText } = transpile(source, text)
  if (errors.length > 0) return { errors, files: {} }
  const map = { ...JSON.parse(sourceMapText), sources: ['../'.repeat(source.split('/').length) + source] }
  return { errors, files: { '.map': JSON.stringify(map), '': outputText } }
}

function buildAndReport () {
  const errors = bringUpToDate({ out: join(ROOT, 'dist'), folders: FOLDERS, compile })
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
