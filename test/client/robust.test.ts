import { execFile } from 'node:child_process'
import t from 'tap'
import { createClient, SettingsError } from '../../src/client/client.ts'
import { listen, tokens } from './fakes.ts'
import { sourceProgram } from '../support/source-program.ts'

const GOOD = { tokenEndpoint: 'https://issuer.example/token', clientId: 'id', clientSecret: 'secret', apiUrl: 'https://api.example' }

t.test('options of a wrong type are settings errors that name the option, never a TypeError', async (t) => {
  const values: readonly unknown[] = [
    null, true, 5, NaN, 1n, Symbol('x'), {}, [], [5], [null], Object.create(null), () => 5, new Date(), /x/
  ]
  const allowed: Readonly<Record<string, (value: unknown) => boolean>> = {
    clientSecret: (value) => typeof value === 'function',
    scope: (value) => Array.isArray(value) && value.length === 0,
    allowInsecureHttp: (value) => value === true,
    useEnvProxy: (value) => value === true,
    apiDeadlineMs: (value) => value === 5,
    onWarning: (value) => typeof value === 'function',
    now: (value) => typeof value === 'function',
    random: (value) => typeof value === 'function'
  }
  const options = [
    'tokenEndpoint', 'clientId', 'clientSecret', 'clientAuthentication', 'scope', 'apiUrl', 'tokenDeadlineMs', 'apiDeadlineMs',
    'allowInsecureHttp',
    'useEnvProxy', 'onWarning', 'now', 'random'
  ]
  for (const option of options) {
    const wrong = values.filter((value) => allowed[option]?.(value) !== true)
    for (const value of wrong) {
      const error = t.throws(() => createClient({ ...GOOD, [option]: value }), SettingsError, `${option} of type ${typeof value}`)
      t.ok(error instanceof SettingsError && error.problems.every((one) => one.option === option))
    }
  }
  for (const given of [undefined, null, 'x', 5, []]) t.throws(() => createClient(given as never), SettingsError)
})

t.test('close() while the function of the secret is pending: the call is refused, ' +
  'and nothing is sent when the secret arrives', async (t) => {
  const issuer = await listen(t, tokens())
  let release: (secret: string) => void = () => undefined
  const client = createClient({
    ...GOOD, tokenEndpoint: `${issuer.url}/token`, clientSecret: () => new Promise((resolve) => { release = resolve })
  })
  const pending = client.token().catch((error: unknown) => error)
  const call = client.fetch('/').catch((error: unknown) => error)
  await new Promise(setImmediate)
  await client.close()
  release('secret')
  t.match(await call, { code: 'client_closed' })
  t.match(await pending, { code: /client_closed|issuer_unreachable/ })
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
  t.equal(issuer.seen.length, 0)
})

t.test('no file descriptor is left: issuer_unreachable, and the same client works when there are some', async (t) => {
  const issuer = await listen(t, tokens())
  const program = [process.execPath, ...sourceProgram('test/client/few-descriptors.ts'), `${issuer.url}/token`]
  const out = await new Promise<string>((done) => {
    execFile('sh', ['-c', 'ulimit -n 200; exec "$@"', 'sh', ...program], (error, out, err) => {
      done(`${out}${error === null ? '' : err}`)
    })
  })
  t.same(out.trim().split('\n'), ['issuer_unreachable', 'token-1', 'closed'])
})
