// Before the tests: every source that they may import is transpiled once, in one process.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../transpile.mjs'
import { prepare } from './load.mjs'

const FOLDERS = ['src', 'plugins', 'routes', 'tools', 'test', 'bench', 'examples']

prepare(FOLDERS.flatMap((folder) => readdirSync(join(ROOT, folder), { recursive: true })
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.d.ts') && !file.includes('node_modules'))
  .map((file) => join(ROOT, folder, file))))
