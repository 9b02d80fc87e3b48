#!/usr/bin/env node
/**
 * `npm run package`: writes the tarball that is published, scopegate-VERSION.tgz, into the folder given (default: this one).
 * It works in a temporary folder; the checkout is only read. The last line on standard output is the path of the tarball.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { program, start } from './command.mjs'
import { stage } from './stage.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Resolves to the path of the tarball, its manifest, its size in bytes and the number of its files. */
export async function pack (destination) {
  const work = await mkdtemp(join(tmpdir(), 'scopegate-package-'))
  try {
    const built = join(work, 'built')
    const folder = join(work, 'package')
    await start(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', join(ROOT, 'tsconfig.build.json'),
      '--declaration', '--sourceMap', '--inlineSources', '--outDir', join(built, 'dist')])
    const { manifest } = await stage({ root: ROOT, built, folder })
    const [{ filename, size, entryCount }] = JSON.parse(await start(program('npm'),
      ['pack', '--json', '--ignore-scripts', '--pack-destination', resolve(destination)], { cwd: folder }))
    return { tarball: join(resolve(destination), filename), manifest, size, entryCount }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { tarball, size, entryCount } = await pack(process.argv[2] ?? '.')
    process.stderr.write(`${entryCount} files, ${Math.round(size / 1024)} kB\n`)
    process.stdout.write(`${tarball}\n`)
  } catch (error) {
    process.stderr.write(`The package cannot be made: ${error.message}\n`)
    process.exitCode = 1
  }
}
