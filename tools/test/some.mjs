// Runs test files of .tests/ one after the other, under the names of their sources: tap names its folders and snapshots by the first.
//
//   node tools/test/some.mjs test/x.test.ts …
import hooks from 'node:async_hooks'
import { once } from 'node:events'
import { syncBuiltinESMExports } from 'node:module'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { COMPILED } from './compiled.mjs'
import { useKeys } from './rsa-keys.mjs'

const files = process.argv.splice(2)
process.argv[1] = resolve(files[0])
// tap follows every promise and socket to the test that made it: the collector then has twice the work. It is for an error that nobody
// catches, which ends the process here, and so the file has failed.
hooks.createHook = () => ({ enable () {}, disable () {} })
syncBuiltinESMExports()
const { default: t } = await import('tap')
/** What a file tears down, before the next begins. tap would do it at the end of all, and end where it thinks that there is no more. */
const endings = []
t.teardown = (end) => { endings.unshift(end) }
const newKeys = useKeys()

for (const file of files) {
  newKeys()
  await import(pathToFileURL(join(COMPILED, file.replace(/\.ts$/, '.js'))).href)
  if (!t.idle) await once(t, 'idle')
  for (const end of endings.splice(0)) await end()
}
