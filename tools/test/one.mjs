// Runs one test file of .tests/ under the name of its source: tap names its folders and snapshots by it.
//
//   node tools/test/one.mjs test/x.test.ts
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { COMPILED } from './compiled.mjs'
import { useKeys } from './rsa-keys.mjs'

const [file] = process.argv.splice(2)
process.argv[1] = resolve(file)
useKeys()
await import(pathToFileURL(join(COMPILED, file.replace(/\.ts$/, '.js'))).href)
