// Keeps a folder of JavaScript up to date with sources: writes only files whose content changed, deletes those whose source is gone.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import { hashOf, ROOT, toolchain } from './transpile.mjs'

/** Paths below the base, with forward slashes. */
export const filesIn = (base, folder, end) => existsSync(join(base, folder))
  ? readdirSync(join(base, folder), { recursive: true })
      .map((file) => `${folder}/${file.split(sep).join('/')}`)
      .filter((file) => end.test(file))
  : []

export function readManifest (manifest) {
  try {
    return JSON.parse(readFileSync(manifest, 'utf8'))
  } catch {
    return {}
  }
}

/** A reader sees the old file or the new one, never half of one. */
export function replace (file, text) {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return
  mkdirSync(dirname(file), { recursive: true })
  const fresh = `${file}.${process.pid}`
  writeFileSync(fresh, text)
  renameSync(fresh, file)
}

export const outputOf = (source) => source.replace(/\.ts$/, '.js')

/**
 * Brings `out` up to date. `compile` makes of a source's path and text its errors and files: what each path's end is added to its output's
 * path, and its text. `isOther`: whether another program makes a file, source or output. Returns the errors, one line each; a source with
 * errors keeps its last output.
 */
export function bringUpToDate ({ out, folders, compile, isOther = () => false }) {
  const sources = folders.flatMap((folder) => filesIn(ROOT, folder, /(?<!\.d)\.ts$/)).filter((source) => !isOther(source))
  const before = readManifest(join(out, '.build.json'))
  const after = {}
  const tool = hashOf(toolchain(), compile.toString())
  const errors = []
  for (const source of sources) {
    const text = readFileSync(join(ROOT, source), 'utf8')
    const output = join(out, outputOf(source))
    const made = () => hashOf(tool, text, existsSync(output) ? readFileSync(output, 'utf8') : '')
    if (before[source] !== made()) {
      const { errors: found, files } = compile(source, text)
      errors.push(...found)
      if (found.length > 0) continue
      for (const [end, content] of Object.entries(files)) replace(output + end, content)
    }
    after[source] = made()
  }
  const wanted = new Set(sources.map(outputOf))
  removeOrphans(out, folders, (file) => wanted.has(file) || isOther(file))
  replace(join(out, '.build.json'), JSON.stringify(after))
  return errors
}

function removeOrphans (out, folders, isWanted) {
  for (const file of folders.flatMap((folder) => filesIn(out, folder, /\.js(\.map)?$/))) {
    if (!isWanted(file.replace(/\.map$/, ''))) rmSync(join(out, file), { force: true })
  }
}
