import { execFileSync } from 'node:child_process'
import t from 'tap'

/** In a process of its own, where tap has not used `nextTick` before; with V8's own comparison of shapes. */
const PROGRAM = `
  import { executionAsyncResource } from 'node:async_hooks'
  // Not held here: only the service's own module keeps it.
  const kept = new WeakRef(await (await import('./src/tick-objects.ts')).tickObject)
  const tick = () => new Promise((resolve) => { process.nextTick(() => resolve(executionAsyncResource())) })
  const sameBefore = %HaveSameMap(kept.deref(), await tick())
  // A collection while no call of nextTick waits.
  await new Promise((resolve) => { setTimeout(() => { gc(); gc(); resolve() }, 20) })
  const callback = typeof kept.deref()?.callback
  console.log(JSON.stringify({ callback, sameBefore, sameAfter: kept.deref() && %HaveSameMap(kept.deref(), await tick()) }))
`

t.test('a collection of the heap does not change the shape that V8 knows for the objects of process.nextTick', async (t) => {
  const flags = ['--import', './tools/test/sources.mjs', '--expose-gc', '--allow-natives-syntax', '--input-type=module']
  const printed = execFileSync(process.execPath, [...flags, '--eval', PROGRAM], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  t.same(JSON.parse(printed), { callback: 'function', sameBefore: true, sameAfter: true })
})

t.test('it is the first thing that the service does', async (t) => {
  const { readFileSync } = await import('node:fs')
  const [first] = readFileSync('src/server.ts', 'utf8').split('\n').filter((line) => line.startsWith('import'))
  t.equal(first, 'import \'./tick-objects.ts\'')
})
