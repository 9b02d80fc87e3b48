import assert from 'node:assert/strict'
import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { must } from '../support/command.mjs'
import { demoSecrets } from './issuer.mjs'

const PACKAGE_MANAGERS = /\/(bin|node_modules)\/(npm|npx|corepack|yarn|yarnpkg|pnpm)(\/|$)/
const LOCKFILE = new URL('../../package-lock.json', import.meta.url)

/** What the image is made of, as far as that can be seen without starting the service. */
export async function checkContent ({ check, config, paths, tag, folder, env }) {
  await check('it runs as a user without a name and without rights', () => assert.equal(config.User, '65532:65532'))
  await check('it is set to listen on every address, in production', () => {
    for (const setting of ['HOST=0.0.0.0', 'NODE_ENV=production', 'PORT=50100']) {
      assert.ok(config.Env.includes(setting), `${setting} is missing`)
    }
  })
  await check('no npm, nor another package manager', () => assertNone(paths, (path) => PACKAGE_MANAGERS.test(path)))
  await check('nothing of ours but dist, node_modules and package.json', () =>
    assertNone(ours(paths), (path) => !/^\/app\/(dist\/|node_modules\/|package\.json$|$)/.test(path)))
  await check('no development dependency', () => assertNone(ours(paths), isDevelopmentDependency()))
  await check('no development issuer, no realm file, no command but the health check', () =>
    assertNone(ours(paths), (path) => /\/dist\/(src\/(issuer|cli)|tools)/.test(path) && !/\/cli\/(healthcheck\.js(\.map)?)?$/.test(path)))
  await check('no .env file, no sources, no tests, no history; maps of what was built only', () =>
    assertNone(
      ours(paths),
      (path) => !path.startsWith('/app/node_modules/') && /\/(\.env|\.git|test|.*\.ts|.*(?<!\.js)\.map)(\/|$)/.test(path)
    ))
  await check('no secret of the realm file, in any layer or setting', () => assertNoSecret({ tag, folder, env }))
}

function ours (paths) {
  return paths.filter((path) => path.startsWith('/app/'))
}

function isDevelopmentDependency () {
  const { packages } = JSON.parse(readFileSync(LOCKFILE, 'utf8'))
  const folders = new Set(Object.entries(packages).filter(([, { dev }]) => dev === true).map(([folder]) => `/app/${folder}/`))
  assert.ok(folders.size > 0, 'package-lock.json names no development dependency')
  return (path) => folders.has(path)
}

function assertNone (paths, isUnwanted) {
  assert.ok(paths.length > 0, 'no file at all')
  const unwanted = paths.filter(isUnwanted)
  assert.equal(unwanted.length, 0, `${unwanted.length} in the image, such as ${unwanted.slice(0, 5).join(', ')}`)
}

/** All layers, also what a later one hides, and the history, in one file that is not compressed. */
async function assertNoSecret ({ tag, folder, env }) {
  const archive = join(folder, 'image.tar')
  await must('podman', ['save', '--quiet', '--format', 'docker-archive', '-o', archive, tag], { env })
  const wanted = ['demo-secret', ...demoSecrets()]
  const found = new Set()
  let end = ''
  for await (const chunk of createReadStream(archive, { encoding: 'latin1', highWaterMark: 1024 * 1024 })) {
    const text = end + chunk
    for (const secret of wanted) if (text.includes(secret)) found.add(secret)
    end = text.slice(-100)
  }
  assert.deepEqual([...found], [])
}
