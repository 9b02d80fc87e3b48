import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { serve } from './support/server-process.ts'
import { until } from './support/service.ts'

/** With V8's own comparison of shapes, after a collection while no call of nextTick waits. Prints what was found. */
const LOOK = `
  import { executionAsyncResource } from 'node:async_hooks'
  const tick = () => new Promise((resolve) => { process.nextTick(() => resolve(executionAsyncResource())) })
  // Not held here: only the service keeps it.
  const kept = () => globalThis[Symbol.for('scopegate.tickObject')]
  const look = async () => {
    const sameBefore = %HaveSameMap(kept(), await tick())
    await new Promise((resolve) => { setTimeout(() => { gc(); gc(); resolve() }, 20) })
    console.log(JSON.stringify({ callback: typeof kept()?.callback, sameBefore, sameAfter: %HaveSameMap(kept(), await tick()) }))
  }
`
const FLAGS = ['--expose-gc', '--allow-natives-syntax']
const FOUND = { callback: 'function', sameBefore: true, sameAfter: true }

t.test('a collection of the heap does not change the shape that V8 knows for the objects of process.nextTick', async (t) => {
  const flags = ['--import', './tools/test/sources.mjs', ...FLAGS, '--input-type=module']
  const program = `${LOOK}await import('./src/tick-objects.ts')\nawait tick()\nawait look()`
  const printed = execFileSync(process.execPath, [...flags, '--eval', program], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  t.same(JSON.parse(printed), FOUND)
})

t.test('nor in the service as it is built', async (t) => {
  const server = serve(t, { ISSUER: 'http://127.0.0.1:9/realms/x', AUDIENCE: 'a', PORT: '0', NODE_ENV: 'production' }, {
    node: [...FLAGS, `--import=data:text/javascript,${encodeURIComponent(`${LOOK}setTimeout(look, 2000)`)}`]
  })
  await until(() => server.out().includes('"callback"'), 60_000)
  t.same(JSON.parse(/^\{"callback".*$/m.exec(server.out())?.[0] ?? ''), FOUND)
})

t.test('nothing is loaded before it: neither by the source of the service nor by its bundle', async (t) => {
  const imported = (file: string): string[] => readFileSync(file, 'utf8').match(/(?<=^(?:import|export)\b[^('"]*["'])[^"']+/gm) ?? []
  t.same(imported('src/server.ts'), ['./tick-objects.ts', './early-signals.ts'])
  t.same(imported('src/early-signals.ts'), [])
  const [part = '', ...others] = imported('dist/src/server.js')
  t.same(others, [])
  t.same(imported(`dist/src/${part}`), ['node:async_hooks'])
})
