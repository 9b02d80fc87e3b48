import { spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { BlockWriter } from '../src/block-writer.ts'

const line = (n: number): string => `{"n":${n}}\n`

function file (t: Test): { readonly fd: number, readonly text: () => string } {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  const path = join(folder, 'log')
  const fd = openSync(path, 'w')
  t.teardown(() => {
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })
  return { fd, text: () => readFileSync(path, 'utf8') }
}

t.test('every line, once and in order, also those that come while a block is written', async (t) => {
  const { fd, text } = file(t)
  const writer = new BlockWriter({ fd, blockBytes: 1000, afterMs: 5, maxPendingBytes: 1 << 20 })
  let expected = ''
  for (let n = 0; n < 20_000; n++) {
    writer.write(line(n))
    expected += line(n)
    if (n % 700 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await writer.flush()
  t.equal(text(), expected)
})

t.test('a lonely line does not wait for company', async (t) => {
  const { fd, text } = file(t)
  new BlockWriter({ fd, blockBytes: 1 << 20, afterMs: 10, maxPendingBytes: 1 << 20 }).write(line(1))
  const alive = setTimeout(() => undefined, 2_000)
  for (let n = 0; n < 100 && text() === ''; n++) await new Promise((resolve) => setTimeout(resolve, 10))
  clearTimeout(alive)
  t.equal(text(), line(1))
})

t.test('what waits is bounded: beyond it lines are dropped, and that is said', async (t) => {
  const { fd, text } = file(t)
  const writer = new BlockWriter({ fd, blockBytes: 100, afterMs: 5, maxPendingBytes: 1000 })
  for (let n = 0; n < 1000; n++) writer.write(line(n))
  await writer.flush()
  const kept = text().trim().split('\n').map((one) => JSON.parse(one) as { n?: number, dropped?: number })
  const dropped = kept.find((one) => one.dropped !== undefined)?.dropped ?? 0
  t.ok(dropped > 800, `${dropped} dropped`)
  t.equal(kept.filter(({ n }) => n !== undefined).length + dropped, 1000)
})

t.test('a reader that is slow gets everything; one that is gone stops nothing', async (t) => {
  const child = spawn(
    process.execPath,
    ['-e', 'setTimeout(() => process.stdin.pipe(process.stdout), 300)'],
    { stdio: ['pipe', 'pipe', 'inherit'] }
  )
  let received = 0
  child.stdout.on('data', (chunk: Buffer) => { received += chunk.length })
  const { fd } = Reflect.get(child.stdin, '_handle') as { fd: number }
  const writer = new BlockWriter({ fd, blockBytes: 1000, afterMs: 5, maxPendingBytes: 1 << 24 })
  const big = `${'x'.repeat(9_999)}\n`
  for (let n = 0; n < 200; n++) writer.write(big)
  await writer.flush()
  const ended = new Promise((resolve) => child.on('close', resolve))
  child.stdin.end()
  await ended
  t.equal(received, 200 * big.length)
  const gone = new BlockWriter({ fd: 9999, blockBytes: 1, afterMs: 5, maxPendingBytes: 1000 })
  gone.write(big.slice(0, 100))
  await gone.flush()
  t.pass('flushed into nothing')
})

t.test('a destination that fails: its lines are counted, and the first that can be written says how many and why', async (t) => {
  const { fd, text } = file(t)
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  const readOnly = openSync(join(folder, 'log'), 'a+')
  closeSync(readOnly)
  // The number of a file that is closed, and later that of another one.
  const options = { fd: readOnly, blockBytes: 1 << 20, afterMs: 1_000, maxPendingBytes: 1 << 20 }
  const writer = new BlockWriter(options)
  for (let n = 0; n < 7; n++) writer.write(line(n))
  await writer.flush()
  t.equal(writer.droppedInAll, 7)
  options.fd = fd
  writer.write(line(7))
  await writer.flush()
  t.match(text(), /^\{"n":7\}\n\{"level":40,"time":\d+,"dropped":7,"msg":"log lines were dropped: the log cannot be written \(EBADF\)"\}\n$/)
  t.equal(writer.droppedInAll, 7)
})
