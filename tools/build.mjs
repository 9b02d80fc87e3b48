// Brings dist/ up to date with the sources. When nothing changed it writes nothing, so that `node --watch` does not restart a service that
// is running.
//
//   node tools/build.mjs [--watch | --image]
//
// The service is bundled, and so starts sooner; every other source becomes a file of its own. With --image the service and its health check
// alone. Types are not checked here (`npm run typecheck`). A source with a syntax error stops the build, and leaves its last output.
import { existsSync, watch } from 'node:fs'
import { join } from 'node:path'
import { bundle, bundleAlone, isBundled, SERVICE, WITH_ISSUER } from './bundle.mjs'
import { bringUpToDate } from './output.mjs'
import { ROOT, transpile } from './transpile.mjs'

const FOLDERS = ['src', 'plugins', 'routes', 'tools']
const OUT = join(ROOT, 'dist')
const SETTLED_MS = 50

function compile (source, text) {
  const { errors, outputText, sourceMapText } = transpile(source, text)
  if (errors.length > 0) return { errors, files: {} }
  const map = { ...JSON.parse(sourceMapText), sources: ['../'.repeat(source.split('/').length) + source] }
  return { errors, files: { '.map': JSON.stringify(map), '': outputText } }
}

/** Whoever has just cloned the project, and begins with `npm start`, has none. */
function isInstalled () {
  return existsSync(join(ROOT, 'node_modules/typescript/package.json'))
}

async function build () {
  if (process.argv.includes('--image')) return bundleAlone({ out: OUT, programs: SERVICE })
  const errors = bringUpToDate({ out: OUT, folders: FOLDERS, compile, isOther: isBundled })
  return errors.length > 0 ? errors : bundle({ out: OUT, programs: WITH_ISSUER })
}

async function buildAndReport () {
  const errors = isInstalled() ? await build() : ['The packages of this project are not installed. Run: npm ci']
  for (const error of errors) process.stderr.write(`${error}\n`)
  return errors.length === 0
}

/** Builds once the changes have settled, one build at a time. */
function watchSources () {
  let timer
  let last = Promise.resolve()
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => { last = last.then(buildAndReport) }, SETTLED_MS)
  }
  for (const folder of FOLDERS) watch(join(ROOT, folder), { recursive: true }, soon)
}

if (process.argv.includes('--watch')) watchSources()
if (!await buildAndReport() && !process.argv.includes('--watch')) process.exitCode = 1
