import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startDevelopmentIssuer } from '../../src/issuer/development-issuer.ts'
import { myorg, send } from './wire.ts'

function folderOf (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-keys-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** The key set of one run, as published. */
async function keySet (keysFile?: string, rotate = false): Promise<string> {
  const issuer = await startDevelopmentIssuer({ realm: myorg(), ...keysFile !== undefined && { keysFile } })
  if (rotate) await issuer.rotateKey()
  const { text } = await send(issuer.port, { method: 'GET', path: new URL(issuer.jwksUrl).pathname })
  await issuer.close()
  return text
}

t.test('with a file, a restart publishes the same keys, and only the owner may read it', async (t) => {
  const file = join(folderOf(t), 'keys.json')
  const first = await keySet(file)
  t.equal(await keySet(file), first, 'certificates too')
  if (process.platform !== 'win32') t.equal(statSync(file).mode & 0o777, 0o600)
  const before = statSync(file).mtimeMs
  t.not(await keySet(file, true), first, 'a rotated key is there')
  t.equal(await keySet(file), first, 'and is not kept')
  t.equal(statSync(file).mtimeMs, before, 'nothing is written where nothing is new')
})

t.test('without a file, every run has new keys', async (t) => {
  t.not(await keySet(), await keySet())
})

t.test('a file that cannot be used is replaced', async (t) => {
  const file = join(folderOf(t), 'keys.json')
  const good = await keySet(file)
  const text = readFileSync(file, 'utf8')
  const contents = [
    '', '{}', 'null', text.slice(0, -40), text.replace(/"madeMs":\d+/, '"madeMs":"soon"'), text.replace('BEGIN PRIVATE KEY', 'BEGIN')
  ]
  for (const content of contents) {
    writeFileSync(file, content)
    const fresh = await keySet(file)
    t.not(fresh, good)
    t.equal(await keySet(file), fresh, 'and the next run has its keys')
  }
  t.same(readdirSync(join(file, '..')), ['keys.json'], 'nothing is left beside it')
})

t.test('a file that others can read is not trusted', { skip: process.platform === 'win32' && 'no modes' }, async (t) => {
  const file = join(folderOf(t), 'keys.json')
  const first = await keySet(file)
  chmodSync(file, 0o644)
  const second = await keySet(file)
  t.not(second, first)
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.equal(await keySet(file), second)
})

t.test('a place that cannot be written: the keys live for this run', async (t) => {
  const file = join(folderOf(t), 'no such folder', 'keys.json')
  t.match(await keySet(file), /"kid"/)
  t.not(await keySet(file), await keySet(file))
})
