import t from 'tap'
import { reporting, whileUnderWay } from '../../tools/keycloak/progress.ts'
import { freePort } from '../support/free-port.ts'
import { respondingWith, keycloak, machine } from '../support/keycloak-fakes.ts'

const skip = process.platform === 'win32' && 'the fakes are shell scripts'
const CLEAR = '\r\u001b[K'

t.test('long work: a line that moves on a terminal, plain lines elsewhere', { skip }, async (t) => {
  const { program } = machine(t)
  // Slow enough for several looks.
  program('docker', 'case "$1 $2" in', '"image inspect") exit 1;;', 'pull*) /bin/sleep 1.2;;', `run*) ${respondingWith(200)};;`, 'esac')
  const on = await keycloak(['--port', String(await freePort())], 'Authorization: Bearer', { isTTY: true, columns: 40 })
  t.equal(on.code, 0)
  const moves = on.out.split(CLEAR).filter((line) => /fetching the image: \d+ s/.test(line))
  t.ok(moves.length >= 2, `${moves.length} moves`)
  t.ok(new Set(moves).size >= 2, 'it moves')
  t.match(on.out, /\r\u001b\[K {2}starting it; the first start/, 'the moving line is erased before the next one')
  t.match(on.out, / {2}ready after \d+ s\n/)
  for (const line of moves) t.ok(String(line.split('\n')[0]).length < 40, 'it fits')

  const off = await keycloak(['--port', String(await freePort())], 'Authorization: Bearer')
  t.notMatch(off.out, /[\r\u001b]/)
  t.match(off.out, /\n {2}fetching the image [^\n]*\n {2}starting it/)
})

t.test('where no line can move there is one from time to time, and none after the end', async (t) => {
  const lines: string[] = []
  let end = (): void => undefined
  const work = new Promise<string>((resolve) => { end = () => resolve('done') })
  const result =
    whileUnderWay(work, 'building', { say: (line) => { lines.push(line); if (lines.length === 2) end() } }, { movingMs: 1, plainMs: 5 })
  t.equal(await result, 'done')
  const { length } = lines
  await new Promise((resolve) => setTimeout(resolve, 30))
  t.equal(lines.length, length)
  t.match(lines[0], /^… building: 0 s$/)
  await t.rejects(whileUnderWay(Promise.reject(new Error('broken')), 'x', { say: () => undefined }), /broken/)
})

t.test('a line printed meanwhile takes the place of the moving one', async (t) => {
  let out = ''
  const { say, move, print } = reporting({ write: (text) => { out += text }, isTTY: true })
  move?.('a')
  say('b')
  print('c')
  move?.(undefined)
  t.equal(out, `${CLEAR}  a${CLEAR}  b\nc\n`)
  t.equal(reporting({ write: () => undefined }).move, undefined)
  for (const [columns, shown] of [[0, 'starting: 10 s'], [12, 'starting:']] as const) {
    let last = ''
    reporting({ write: (text) => { last = text }, isTTY: true, columns }).move?.('starting: 10 s')
    t.equal(last, `\r\u001b[K  ${shown}`, `a terminal of ${columns} columns`)
  }
})
