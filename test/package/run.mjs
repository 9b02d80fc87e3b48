#!/usr/bin/env node
/**
 * `npm run package:test`: makes the tarball, installs it into an empty folder as a stranger would (from the package registry), checks
 * its types, and runs hosts on it. One line for each check, last line `N passed, N failed`.
 */
import assert from 'node:assert/strict'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { pack } from '../../tools/package/pack.mjs'
import { reach } from '../../tools/package/reach.mjs'
import { must, run } from '../support/command.mjs'
import { createReport } from '../support/report.mjs'
import { comingFrom } from './coming-from.mjs'

const HOSTS = fileURLToPath(new URL('hosts', import.meta.url))
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What the recipes of the documentation are for. */
const RECIPE_PACKAGES = ['axios@1', 'got@14', 'undici@7']
/** Of recipes.mjs: a tool is not there. */
const SKIPPED = 75
const PUBLINT = 'publint@0.3.25'
const ATTW = '@arethetypeswrong/cli@0.18.5'
/** What the hosts register beside the plugin, and what checks their types. */
const HOST_PACKAGES = [
  'fastify@5', '@fastify/jwt@10', '@fastify/swagger@9', '@fastify/helmet@13', '@fastify/cors@11', '@fastify/rate-limit@10',
  '@fastify/autoload@6', 'typescript@~6.0.3', '@types/node@24'
]

const { check, say, end } = createReport()

async function main () {
  const work = await mkdtemp(join(tmpdir(), 'scopegate-consumer-'))
  try {
    await examine(work)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return end()
}

async function examine (work) {
  let packed
  await check('the tarball can be made', async () => { packed = await pack(work) })
  if (packed === undefined) return
  say(`${packed.entryCount} files, ${Math.round(packed.size / 1024)} kB`)
  const consumer = join(work, 'consumer')
  await check('it installs into an empty folder', async () => {
    await mkdir(consumer)
    await writeFile(join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }))
    await must('npm', ['install', '--prefix', consumer, '--no-audit', '--no-fund', packed.tarball])
  })
  await checkTree(consumer, packed.manifest)
  await check(
    'what the hosts need installs beside it',
    () => must('npm', ['install', '--prefix', consumer, '--no-audit', '--no-fund', ...HOST_PACKAGES])
  )
  await checkTree(consumer, packed.manifest)
  await cp(HOSTS, join(consumer, 'hosts'), { recursive: true })
  await checkTypes(consumer)
  for (const host of ['five-lines.mjs', 'big-host.mjs', 'commonjs.cjs', 'static-keys.mjs', 'metrics.mjs', 'client-alone.mjs']) {
    await check(`a host runs: ${host}`, () => must(process.execPath, [join(consumer, 'hosts', host)], { timeoutMs: 60_000 }))
  }
  await check('what the recipes of docs/how-to/call-an-api.md need installs beside it', () =>
    must('npm', ['install', '--prefix', consumer, '--no-audit', '--no-fund', ...RECIPE_PACKAGES]))
  for (const recipe of ['axios', 'got', 'undici', 'python', 'go']) {
    const { code, stdout, stderr } = await run(
      process.execPath,
      [join(consumer, 'hosts/recipes.mjs'), recipe, ROOT],
      { timeoutMs: 120_000 }
    )
    if (code === SKIPPED) say(`skipped: ${recipe}: ${stdout.trim()}`)
    else await check(`a recipe of docs/how-to/call-an-api.md works: ${recipe}`, () => assert.equal(code, 0, stdout + stderr))
  }
  await comingFrom({ consumer, work, check, say })
  await checkFiles(consumer, packed.manifest)
  await check('publint has nothing to say', async () => {
    const { code, stdout, stderr } = await run('npx', ['-y', PUBLINT, '--strict', packed.tarball])
    assert.equal(code, 0, stdout + stderr)
  })
  await check('the types resolve (attw, profile esm-only)', async () => {
    const { code, stdout, stderr } = await run('npx', ['-y', ATTW, packed.tarball, '--profile', 'esm-only', '--no-emoji'])
    assert.equal(code, 0, stdout + stderr)
  })
}

async function checkTree (consumer, { name }) {
  await check('npm ls --all accepts the tree', async () => {
    const { code, stderr } = await run('npm', ['ls', '--all', '--prefix', consumer])
    assert.equal(code, 0, stderr)
  })
  await check('no elliptic, and one fastify', async () => {
    const tree = JSON.parse((await run('npm', ['ls', '--all', '--json', '--prefix', consumer])).stdout)
    const found = { elliptic: new Set(), fastify: new Set(), all: new Set() }
    const visit = ({ dependencies = {} }) => {
      for (const [dependency, entry] of Object.entries(dependencies)) {
        if (entry.version !== undefined) found.all.add(`${dependency}@${entry.version}`)
        if (dependency in found) found[dependency].add(entry.version)
        visit(entry)
      }
    }
    visit(tree)
    say(`${found.all.size} packages in the tree of a consumer of ${name}`)
    assert.equal(found.elliptic.size, 0)
    assert.equal(found.fastify.size, 1)
  })
}

async function checkTypes (consumer) {
  const tsc = join(consumer, 'node_modules/typescript/bin/tsc')
  const settings = [
    '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023', '--types', 'node', '--skipLibCheck', 'false'
  ]
  for (const file of ['types.mts', 'types.cts']) {
    await check(`types hold with module nodenext: ${file}`, async () => {
      const { code, stdout } = await run(process.execPath, [tsc, ...settings, join(consumer, 'hosts', file)], { cwd: consumer })
      assert.equal(code, 0, stdout)
    })
  }
}

async function checkFiles (consumer, manifest) {
  const root = join(consumer, 'node_modules', manifest.name)
  const entries = (conditions) => conditions.map((name) => manifest.exports[name].default)
  await check('no file that the exports reach has a top-level await, so that require() works', async () => {
    const { files } = await reach(root, entries(Object.keys(manifest.exports)
      .filter((name) => manifest.exports[name].default !== undefined)))
    for (const file of files.filter((one) => one.endsWith('.js'))) {
      assert.doesNotMatch(await readFile(join(root, file), 'utf8'), /^(?:await\b|(?:const|let|export const) [^=\n]*= await\b)/m, file)
    }
  })
  await check('no Fastify in the import graph of the client', async () => {
    const { packages } = await reach(root, entries(['./client']))
    assert.deepEqual(packages.filter((name) => /fastify/.test(name)), [])
  })
  await check('what llms.txt and the doctor name is in the package', async () => {
    const links = [...(await readFile(join(root, 'llms.txt'), 'utf8')).matchAll(/\]\(([^)#]+)/g)].map(([, file]) => file)
    assert.ok(links.length > 0)
    for (const file of [...links, 'docs/how-to/bound-tokens.md', 'docs/how-to/images/1-realm.png']) {
      assert.ok((await readFile(join(root, file))).length > 0, file)
    }
  })
  await check('every file has its map and its declaration', async () => {
    const { files } = await reach(root, entries(['.', './client', './testing']))
    for (const file of files.filter((one) => one.endsWith('.js'))) JSON.parse(await readFile(join(root, `${file}.map`), 'utf8'))
  })
}

process.exitCode = await main()
