import { cp, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { reach } from './reach.mjs'

/**
 * Shipped inside the tarball: get-jwks brings jwk-to-pem and with it elliptic (CVE-2025-14505), and an override does not reach a
 * consumer.
 */
const BUNDLED = ['get-jwks', 'jwk-to-pem']
/** A consumer has it already, and must have it once. */
const PEERS = ['fastify']
/** Imported where they are installed, and done without where they are not: for development alone. */
const OPTIONAL = ['@fastify/swagger-ui', 'pino-pretty']
/** What a published manifest keeps of ours. Scripts, overrides and development dependencies stay here. */
const KEPT = ['name', 'version', 'description', 'keywords', 'license', 'type', 'engines', 'exports', 'types', 'bin', 'sideEffects']
const DOCUMENTS = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md']

/**
 * Writes the package as it is published into `folder`: of the build in `built` only what exports and bin reach, the bundled
 * packages, and a manifest of its own. The checkout is only read. Resolves to the manifest and the files that were copied.
 */
export async function stage ({ root, built, folder }) {
  const checkout = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const entries = entriesOf(checkout)
  const reached = await reach(built, entries)
  for (const file of reached.files) await place(join(built, file), join(folder, file))
  for (const file of [...DOCUMENTS, ...checkout.files.filter((one) => one !== 'dist')]) await cp(join(root, file), join(folder, file))
  // The links of README.md and llms.txt, and the pages that messages name.
  await cp(join(root, 'docs'), join(folder, 'docs'), { recursive: true, filter: (file) => !file.endsWith('.mjs') })
  for (const name of await withDependencies(root, BUNDLED)) {
    await cp(join(root, 'node_modules', name), join(folder, 'node_modules', name), { recursive: true, dereference: true })
  }
  const manifest = await manifestOf(root, checkout, reached)
  await writeFile(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`)
  return { manifest, files: reached.files }
}

/** Every file that `exports` and `bin` name, but for package.json itself. */
function entriesOf ({ exports, bin = {} }) {
  const files = []
  const collect = (value) => typeof value === 'string' ? files.push(value) : Object.values(value).forEach(collect)
  collect(exports)
  collect(bin)
  return [...new Set(files)].filter((file) => /\.(?:js|d\.ts)$/.test(file))
}

/** Declarations name their neighbours as `.ts`, as the sources do: a consumer's compiler should find them as `.js`. */
async function place (from, to) {
  await mkdir(dirname(to), { recursive: true })
  if (!from.endsWith('.d.ts')) {
    await cp(from, to)
    await cp(`${from}.map`, `${to}.map`)
    return
  }
  const text = await readFile(from, 'utf8')
  await writeFile(to, text.replace(/((?:from|import)\s*\(?\s*['"]\.{1,2}\/[^'"]*?)(?<!\.d)\.ts(['"])/g, '$1.js$2'))
}

async function manifestOf (root, checkout, { packages, typePackages }) {
  const needed = new Set([...packages, ...typePackages, ...BUNDLED].filter((name) => !OPTIONAL.includes(name)))
  const dependencies = {}
  const peerDependencies = {}
  for (const name of [...needed].sort()) {
    const range = await rangeOf(root, checkout, name)
    if (PEERS.includes(name)) peerDependencies[name] = range
    else dependencies[name] = range
  }
  const kept = Object.fromEntries(KEPT.filter((name) => Object.hasOwn(checkout, name)).map((name) => [name, checkout[name]]))
  return { ...kept, files: [...checkout.files, ...DOCUMENTS, 'docs'], dependencies, peerDependencies, bundleDependencies: BUNDLED }
}

/** A path of this checkout means nothing to a consumer: there stands the version. */
async function rangeOf (root, { dependencies }, name) {
  const range = dependencies[name]
  if (range === undefined) throw new Error(`the published files import ${name}, which is not in dependencies`)
  if (!range.startsWith('file:')) return range
  return JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')).version
}

async function withDependencies (root, names) {
  const found = new Set()
  const pending = [...names]
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (found.has(name)) continue
    found.add(name)
    pending.push(...Object.keys(JSON.parse(await readFile(join(root, 'node_modules', name, 'package.json'), 'utf8')).dependencies ?? {}))
  }
  return [...found]
}
