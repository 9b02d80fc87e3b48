// The service as few files: of each module on its own, Node would resolve, read and link some 145 before the first request. What is loaded
// only when needed (`import()` in the sources) stays in files of its own.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, posix, relative, sep } from 'node:path'
import { filesIn, outputOf, readManifest, replace } from './output.mjs'
import { hashOf, ROOT, toolchain } from './transpile.mjs'

const DEVELOPMENT_ISSUER = 'src/issuer/development-issuer.ts'
/** The programs of the image. */
export const SERVICE = ['src/server.ts', 'src/cli/healthcheck.ts']
/** With what the service loads by its place: the image has no development issuer. */
export const WITH_ISSUER = [...SERVICE, DEVELOPMENT_ISSUER]
const ISSUER = /\/development-issuer\.ts$/
/** Where the parts are that several files share or that are loaded only when needed. Nothing else is there. */
const CHUNKS = 'src/chunks'

const BUNDLED = new Set([...WITH_ISSUER, ...WITH_ISSUER.map(outputOf)])

/** Whether a file is made here: a source, or an output by its path below the folder of outputs. */
export const isBundled = (file) => BUNDLED.has(file) || file.startsWith(`${CHUNKS}/`)

/** Bundles `programs`, paths of sources below the root, into `out`, which has nothing else. Returns the errors, one line each. */
export async function bundleAlone ({ out, programs }) {
  const { errors, outputs } = await built(out, programs)
  for (const [file, text] of outputs) replace(join(out, file), text)
  return errors
}

/** The same beside other files, and nothing is written where nothing changed. */
export async function bundle ({ out, programs }) {
  const present = programs.filter((program) => existsSync(join(ROOT, program)))
  if (present.length === 0) return []
  const manifest = join(out, '.bundle.json')
  const tools = ['tools/bundle.mjs', 'node_modules/esbuild/package.json'].map((file) => hashOfFile(join(ROOT, file)))
  const tool = hashOf(toolchain(), tools, present)
  const before = readManifest(manifest)
  const isSame = (hashes, base) => Object.entries(hashes).every(([file, hash]) => hashOfFile(join(base, file)) === hash)
  if (before.tool === tool && isSame(before.inputs, ROOT) && isSame(before.outputs, out)) return []
  const { errors, outputs, inputs } = await built(out, present)
  if (errors.length > 0) return errors
  for (const [file, text] of outputs) replace(join(out, file), text)
  const wanted = new Set(outputs.map(([file]) => file))
  for (const file of filesIn(out, CHUNKS, /./).filter((file) => !wanted.has(file))) rmSync(join(out, file), { force: true })
  const hashes = (base, files) => Object.fromEntries(files.map((file) => [file, hashOfFile(join(base, file))]))
  replace(manifest, JSON.stringify({ tool, inputs: hashes(ROOT, inputs), outputs: hashes(out, [...wanted]) }))
  return []
}

/** The outputs as pairs of path and text, what others import first, and the paths of the sources. */
async function built (out, programs) {
  // Loaded only where something has changed.
  const { build } = createRequire(import.meta.url)('esbuild')
  const { errors, outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: programs,
    outbase: ROOT,
    outdir: out,
    chunkNames: `${CHUNKS}/[name]-[hash]`,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    // What a module does when it is loaded is meant, whatever package.json says of the published files.
    ignoreAnnotations: true,
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
    write: false,
    logLevel: 'silent',
    plugins: [{ name: 'development issuer', setup: ({ onResolve }) => onResolve({ filter: ISSUER }, loadedByPlace) }]
  }).catch((error) => {
    // esbuild itself cannot run, and says why.
    if (error.errors === undefined) throw error
    return { errors: error.errors, outputFiles: [], metafile: { inputs: {} } }
  })
  const starts = programs.map((program) => join(out, outputOf(program)))
  const isStart = ({ path }) => starts.some((start) => path.startsWith(start))
  return {
    errors: errors.map(({ text, location: at }) => at === null ? text : `${at.file}:${at.line}:${at.column + 1} ${text}`),
    outputs: [...outputFiles].sort((a, b) => Number(isStart(a)) - Number(isStart(b)))
      .map(({ path, text }) => [relative(out, path).split(sep).join('/'), text]),
    inputs: Object.keys(metafile.inputs)
  }
}

/** From where the parts are, of which one imports it. */
function loadedByPlace ({ kind }) {
  return kind === 'dynamic-import' ? { path: posix.relative(CHUNKS, outputOf(DEVELOPMENT_ISSUER)), external: true } : undefined
}

function hashOfFile (file) {
  return hashOf(existsSync(file) ? readFileSync(file, 'utf8') : '')
}
