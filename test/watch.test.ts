// In a process of its own: it waits for processes.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { project, up } from './support/project.ts'

const run = promisify(execFile)

t.test('beside a service that restarts on change, building and calling do not restart it: 10 of 10', async (t) => {
  const { folder, copySources, build, start } = project(t)
  copySources()
  t.equal(await build(), '')
  const started = start(['--watch', '--enable-source-maps'])
  await up(started)
  const env = {
    PATH: process.env.PATH,
    TOKEN_ENDPOINT: `${started.issuer()}/protocol/openid-connect/token`,
    API_URL: `${started.api()}/api/private-scoped`
  }
  for (let time = 1; time <= 10; time++) {
    await build()
    const { stdout } = await run(process.execPath, ['dist/src/cli/client.js'], { cwd: folder, env })
    t.match(stdout, /scope named test_api_access/, `call ${time}`)
  }
  t.equal(started.out().match(/is up\. Ctrl-C/g)?.length, 1, 'started once')
})
